"""What commands say of wrong words, and of a server that is not there."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from viv_cli.main import viv

EVERY = ["get-run", "status", "why", "kill", "logs", "trace"]


@pytest.fixture(autouse=True)
def unconfigured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIV_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("API_URL", "http://127.0.0.1:9")


def run(*words: object) -> Result:
    return CliRunner().invoke(viv, [str(word) for word in words])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run"], "TASK"),
        (["run", "x/y"], "--agent-path"),
        (["run", "x/y", "--task-family-path", "/nowhere"], "does not exist"),
        (["run", "x/y@main", "--task-family-path", ".", "--agent-path", "."], "@ref"),
        (["run", "x/y", "--task-family-path", "."], "--agent-path"),
        (["run", "x/y", "--max-tokens", "many"], "many"),
        (["run", "x/y", "--task-family-path", ".", "--agent-path", ".", "--metadata", "{"], "JSON"),
        (["run", "x/y", "--task-family-path", ".", "--agent-path", ".", "--metadata", "no"], "no"),
        (["run", "x/y", "--task-family-path", ".", "--agent-path", ".",
          "--batch-concurrency-limit", "1"], "--batch-name"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_a_usage_error(words: list[str], said: str) -> None:
    failed = run(*words)

    assert failed.exit_code == 2
    assert said in failed.stderr


@pytest.mark.parametrize("command", [*EVERY, "follow"])
@pytest.mark.parametrize("run_id", ["x", "0", "-1", str(2**31)])
def test_what_is_no_run_id_is_a_usage_error(command: str, run_id: str) -> None:
    assert run(command, "--", run_id).exit_code == 2


@pytest.mark.parametrize("command", [*EVERY, "list"])
def test_a_server_that_is_away_exits_3_and_says_what_to_do(command: str) -> None:
    failed = run(command, *([] if command == "list" else [1]))

    assert failed.exit_code == 3
    assert "Cannot reach http://127.0.0.1:9" in failed.stderr
    assert "script/up" in failed.stderr


def test_a_server_that_hangs_up_is_away_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("API_URL", f"http://127.0.0.1:{listening.getsockname()[1]}")
        threading.Thread(target=_hang_up, args=[listening]).start()

        assert run("list").exit_code == 3


class SomethingElse(BaseHTTPRequestHandler):
    """A web server of another kind: it answers everything, and not in our words."""

    def do_GET(self) -> None:
        status, body = (404, b"no") if "runs/1/" in self.path else (200, b"[1]")
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def something_else(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with HTTPServer(("127.0.0.1", 0), SomethingElse) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setenv("API_URL", f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()


@pytest.mark.parametrize("words", [["status", "1"], ["status", "2"], ["list"]])
def test_what_answers_but_is_no_vivaria_is_said_to_be_so(
    something_else: None, words: list[str]
) -> None:
    failed = run(*words)

    assert failed.exit_code == 1
    assert "not as Vivaria does" in failed.stderr


def test_an_address_without_a_scheme_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_URL", "localhost:4000")

    assert "must start with http" in run("list").stderr


def _hang_up(listening: socket.socket) -> None:
    listening.accept()[0].close()
