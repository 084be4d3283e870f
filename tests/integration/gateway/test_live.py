"""Server-sent events of a run and of all runs."""

import http.client
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.signing import TimestampSigner

from runs import lifecycle
from runs.states import ErrorSource, FailureClass
from tests.gateways import GatewayProcess, TestAgent

SITE = "http://localhost:4000"


def ticket(wanted: object) -> str:
    return TimestampSigner(salt="live").sign(str(wanted))


def test_a_page_hears_of_new_entries(agent: TestAgent) -> None:
    with listening(agent.gateway, f"/live/runs/{agent.run.pk}", ticket(agent.run.pk)) as events:
        agent.log("hi")

        assert next(events) == ("entries", {"kind": "entries"})


def test_many_entries_are_told_in_few_events(agent: TestAgent) -> None:
    with listening(agent.gateway, f"/live/runs/{agent.run.pk}", ticket(agent.run.pk)) as events:
        for _ in range(200):
            agent.log("hi")
        end(agent)

        kinds = [kind for kind, _ in until_status(events)]

    assert 1 <= kinds.count("entries") < 100


@pytest.mark.parametrize("is_all", [True, False], ids=["all runs", "one run"])
def test_a_page_hears_that_a_run_ended(agent: TestAgent, *, is_all: bool) -> None:
    path = "/live/runs" if is_all else f"/live/runs/{agent.run.pk}"
    wanted = "runs" if is_all else str(agent.run.pk)

    def is_mine(said: dict[str, Any]) -> bool:
        return not is_all or said["run"] == agent.run.pk

    with listening(agent.gateway, path, ticket(wanted)) as events:
        end(agent)
        mine = (said for kind, said in events if kind == "status" and is_mine(said))

        assert next(mine)["status"] == "killed"


def test_a_page_hears_of_output(agent: TestAgent) -> None:
    fields = {"stdoutToAppend": "hi", "stderrToAppend": "", "exitStatus": None}
    with listening(agent.gateway, f"/live/runs/{agent.run.pk}", ticket(agent.run.pk)) as events:
        agent.post("updateAgentCommandResult", {**agent.whose, **fields})

        assert next(events)[0] == "output"


@pytest.mark.parametrize(
    "shown",
    ["", "x", "1:x:y", ticket("runs"), ticket(0)],
    ids=["none", "word", "unsigned", "of all runs", "of another run"],
)
def test_without_a_ticket_for_the_run_nothing_is_told(agent: TestAgent, shown: str) -> None:
    answer = agent.gateway.request("GET", f"/live/runs/{agent.run.pk}?ticket={shown}")

    assert answer.status == 403


def test_an_agents_token_is_no_ticket(agent: TestAgent) -> None:
    path = f"/live/runs/{agent.run.pk}?ticket={agent.headers['X-Agent-Token']}"

    assert agent.gateway.request("GET", path, headers=agent.headers).status == 403


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        (SITE, True),
        ("http://127.0.0.1:4000", True),
        ("https://127.0.0.1:4000", True),
        ("http://127.0.0.1:4999", False),
        ("http://elsewhere:4000", False),
        ("null", False),
    ],
)
def test_only_the_sites_pages_may_listen(
    agent: TestAgent, origin: str, *, is_allowed: bool
) -> None:
    path = f"/live/runs/{agent.run.pk}?ticket=x"

    answer = agent.gateway.request("GET", path, headers={"Origin": origin})

    assert answer.headers.get("access-control-allow-origin") == (origin if is_allowed else None)


def end(agent: TestAgent) -> None:
    lifecycle.fail_run(
        agent.run.pk, source=ErrorSource.USER, failure_class=FailureClass.USER, detail="stop"
    )


def until_status(events: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    for event in events:
        yield event
        if event[0] == "status":
            return


@contextmanager
def listening(
    gateway: GatewayProcess, path: str, shown: str
) -> Iterator[Iterator[tuple[str, Any]]]:
    client = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    client.request("GET", f"{path}?ticket={shown}", headers={"Origin": SITE})
    response = client.getresponse()
    assert response.status == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    events = _events(response)
    # What a run of an earlier test does may be told first, to who listens to all.
    assert ("ready", {"kind": "ready"}) in itertools.islice(events, 20)
    yield events
    client.close()


def _events(response: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    kind = ""
    for line in response:
        name, _, value = line.decode().strip().partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value)
