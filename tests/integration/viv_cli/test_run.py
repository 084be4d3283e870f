import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from django.db import connection, transaction

from runs import lifecycle
from runs.models import AgentBranch, Run, TaskEnvironment, Upload
from runs.states import ErrorSource, FailureClass
from tests.factories import make_run

Viv = Callable[..., Result]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sources(family: Path, agent: Path) -> list[str]:
    return ["--task-family-path", str(family), "--agent-path", str(agent)]


def test_the_id_is_on_the_first_line_and_the_page_on_the_second(
    viv: Viv, sources: list[str]
) -> None:
    started = viv("run", "count_odds/main", *sources)

    run = Run.objects.get()
    assert started.exit_code == 0
    assert started.stdout.splitlines() == [str(run.pk), f"http://localhost:4000/run/{run.pk}/"]


def test_json_is_one_object_with_the_id(viv: Viv, sources: list[str]) -> None:
    started = viv("run", "count_odds/main", *sources, "--json")

    assert len(started.stdout.splitlines()) == 1
    assert json.loads(started.stdout)["id"] == Run.objects.get().pk


def test_the_page_is_below_the_configured_address(
    viv: Viv, sources: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UI_URL", "https://viv.lab/")

    started = viv("run", "count_odds/main", *sources)

    assert started.stdout.splitlines()[1].startswith("https://viv.lab/run/")


def test_each_flag_reaches_the_run_in_either_spelling(
    viv: Viv, family: Path, agent: Path, tmp_path: Path
) -> None:
    (tmp_path / "secrets.env").write_text("KEY=1\n")
    (tmp_path / "override.json").write_text('{"x": 1}')
    parent = make_run()

    started = viv(
        "run", "COUNT_ODDS/main", "--task_family_path", family, "--agent_path", agent,
        "--env_file_path", tmp_path / "secrets.env", "--name", "try", "--max_tokens", 20_000_000,
        "--max-actions", 6, "--max-total-seconds", 7, "--max-cost", 0.5, "--checkpoint_cost", 0.25,
        "--batch-name", "night", "--batch-concurrency-limit", 2, "--metadata", '{"a": null}',
        "--priority", "high", "--agent-settings-override", tmp_path / "override.json",
        "--agent-settings-pack", "fast", "--parent", parent.pk, "--intervention",
        "--keep-task-environment-running", "--dangerously-ignore-global-limits", "--json",
    )  # fmt: skip

    run = Run.objects.get(pk=json.loads(started.stdout)["id"])
    trunk = AgentBranch.objects.get(run=run)
    assert (run.task_id, run.name, run.batch_id, run.is_low_priority) == (
        "count_odds/main", "try", "night", False,
    )  # fmt: skip
    assert (run.metadata, run.agent_settings_override) == ({"a": None}, {"x": 1})
    limits = {"tokens": 20_000_000, "actions": 6, "total_seconds": 7, "cost": 0.5}
    assert trunk.usage_limits == limits
    assert trunk.checkpoint is not None
    assert (trunk.checkpoint["cost"], trunk.checkpoint["tokens"]) == (0.25, None)
    assert (run.parent_run_id, trunk.is_interactive) == (parent.pk, True)
    assert TaskEnvironment.objects.get(run=run).uploaded_env_file_path


def test_the_same_folders_are_stored_once(viv: Viv, sources: list[str]) -> None:
    for _ in range(2):
        viv("run", "count_odds/main", *sources)

    assert len({upload.sha256 for upload in Upload.objects.all()}) == 2


def test_a_large_folder_is_sent(viv: Viv, sources: list[str], agent: Path) -> None:
    (agent / "weights").write_bytes(bytes(range(256)) * 40_000)

    assert viv("run", "count_odds/main", *sources).exit_code == 0


def test_an_agent_without_its_program_is_warned_of_and_sent(
    viv: Viv, sources: list[str], agent: Path
) -> None:
    (agent / "main.py").rename(agent / "agent.py")

    started = viv("run", "count_odds/main", *sources, "--json")

    assert "has no main.py" in started.stderr
    assert json.loads(started.stdout)["id"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "other/main"], "other.py"),
        (["run", "nonsense"], "family/task"),
        (["run", "count_odds/main", "--max-tokens", "99000000"], "10,000,000"),
    ],
)
def test_what_the_server_refuses_is_said_in_its_words(
    viv: Viv, sources: list[str], words: list[str], said: str
) -> None:
    failed = viv(*words, *sources)

    assert failed.exit_code == 1
    assert said in failed.stderr
    assert "Traceback" not in failed.output


def test_a_file_that_is_no_archive_is_refused(viv: Viv, family: Path, agent: Path) -> None:
    file = agent / "main.py"

    failed = viv("run", "count_odds/main", "--task-family-path", family, "--agent-path", file)

    assert failed.exit_code == 1
    assert "neither a folder nor" in failed.stderr


def _ends(end: Callable[[int], object]) -> threading.Thread:
    """End the run that appears, as a worker would."""

    def work() -> None:
        while not (run := Run.objects.first()):
            time.sleep(0.05)
        end(run.pk)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@transaction.atomic
def _submit(run_id: int) -> None:
    AgentBranch.objects.filter(run_id=run_id).update(
        state="submitted", submission="2", score=1.0, started_at=1, completed_at=60_000
    )
    Run.objects.filter(pk=run_id).update(setup_state="COMPLETE")
    lifecycle.settle(run_id, because="")


def _crash(run_id: int) -> None:
    lifecycle.fail_run(
        run_id, source=ErrorSource.AGENT, failure_class=FailureClass.AGENT, detail="It broke."
    )


def test_following_ends_with_the_score(viv: Viv, sources: list[str]) -> None:
    worker = _ends(_submit)

    followed = viv("run", "count_odds/main", *sources, "--follow")
    worker.join()

    lines = followed.stdout.splitlines()
    assert followed.exit_code == 0
    assert lines[0] == str(Run.objects.get().pk)
    assert "submitted: 2" in lines
    assert "score: 1.0" in lines


def test_following_a_run_that_crashes_exits_5(viv: Viv, sources: list[str]) -> None:
    worker = _ends(_crash)

    followed = viv("run", "count_odds/main", *sources, "--follow")
    worker.join()

    assert followed.exit_code == 5
    assert "error (from agent): It broke." in followed.stdout


def test_following_with_json_keeps_standard_output_to_one_object(
    viv: Viv, sources: list[str]
) -> None:
    worker = _ends(_submit)

    followed = viv("run", "count_odds/main", *sources, "--follow", "--json")
    worker.join()

    assert json.loads(followed.stdout)["id"] == Run.objects.get().pk
    assert "score: 1.0" in followed.stderr


def test_a_run_like_another_keeps_what_no_flag_changes(viv: Viv, sources: list[str]) -> None:
    viv("run", "count_odds/main", *sources, "--max-cost", "3", "--name", "first")

    started = viv("run", "--like", Run.objects.get().pk, "--max-tokens", "5", "--name", "second")

    assert started.exit_code == 0, started.output
    first, second = AgentBranch.objects.order_by("pk")
    assert (second.run.name, second.run.task_id) == ("second", "count_odds/main")
    assert second.usage_limits == first.usage_limits | {"tokens": 5}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run"], "--like"),
        (["run", "a/b", "--like", "1"], "give no TASK"),
        (["run", "--like", "1", "--repo", "x"], "--repo"),
    ],
)
def test_like_takes_the_sources_of_its_run(viv: Viv, words: list[str], said: str) -> None:
    failed = viv(*words)

    assert failed.exit_code == 2
    assert said in failed.stderr
