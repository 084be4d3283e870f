"""score and getScoreLog: asked for once, answered when the scorer has spoken (hooks-api, 5.8)."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from runs import lifecycle, scores
from runs.models import IntermediateScore, ScoreRequest, TaskEnvironment
from runs.scores import Fault, Outcome, Status
from runs.states import BranchState, ErrorSource, PauseReason
from tests.gateways import SETUP_DATA, Answer, TestAgent, make_agent
from tests.integration.gateway.test_submit import until
from traces import scores as traces
from vivaria.clock import now_ms

PRINTED: dict[str, Any] = {"stdout": "out", "stderr": "err", "exit_status": 0}
EXEC_RESULT = {"stdout": "out", "stderr": "err", "exitStatus": 0}
SECRET = {"answer": "the details' secret"}


@pytest.fixture
def scored(agent: TestAgent) -> TestAgent:
    """An agent whose task takes intermediate scores."""
    return with_task(agent)


def with_task(agent: TestAgent, **scoring: Any) -> TestAgent:
    said = {**SETUP_DATA, "intermediateScoring": True, "definition": {"scoring": scoring}}
    TaskEnvironment.objects.filter(run=agent.run).update(setup_data=said)
    return agent


def succeeded(score: float, **more: Any) -> Outcome:
    status = Status.INVALID_SUBMISSION if math.isnan(score) else Status.SCORING_SUCCEEDED
    said: dict[str, Any] = {"message": {"hint": "warm"}, "details": SECRET, **PRINTED, **more}
    return Outcome(status=status, score=score, **said)


def failed(status: Status, source: ErrorSource = ErrorSource.SERVER) -> Outcome:
    return Outcome(status=status, fault=Fault(detail=f"It {status}.", source=source))


def take(agent: TestAgent, outcome: Outcome, *, at_ms: int | None = None) -> None:
    """What the scorer does."""
    request = ScoreRequest.objects.get(branch=agent.branch, finished_at=None)
    request.started_at = scores.begin(request) if at_ms is None else at_ms
    assert traces.record(request, outcome, fatal=scores.FAILED)


@contextmanager
def asking(agent: TestAgent) -> Iterator[list[Answer]]:
    """A call of `score` that waits while the block runs; its answer comes afterwards."""
    answers: list[Answer] = []

    def call() -> None:
        answers.append(agent.post("score", agent.whose))
        connection.close()

    caller = threading.Thread(target=call)
    caller.start()
    until(lambda: ScoreRequest.objects.filter(branch=agent.branch, finished_at=None).exists())
    yield answers
    caller.join(timeout=15)
    assert not caller.is_alive()


@pytest.mark.parametrize(
    ("score", "status", "wire", "entry"),
    [
        (0.5, "scoringSucceeded", 0.5, 0.5),
        (1.0, "scoringSucceeded", 1, 1),
        (-3.0, "scoringSucceeded", -3, -3),
        (math.nan, "invalidSubmission", None, "NaN"),
        (math.inf, "scoringSucceeded", None, "Infinity"),
        (-math.inf, "scoringSucceeded", None, "-Infinity"),
    ],
)
def test_a_score_is_answered_and_kept(
    scored: TestAgent, score: float, status: str, wire: float | None, entry: float | str
) -> None:
    with asking(scored) as answers:
        take(scored, succeeded(score))

    assert answers[0].value == {
        "status": status, "score": wire, "message": {"hint": "warm"}, "execResult": EXEC_RESULT,
    }  # fmt: skip
    assert scored.contents() == [
        {"type": "intermediateScore", "score": entry, "message": {"hint": "warm"},
         "details": SECRET}
    ]  # fmt: skip
    assert IntermediateScore.objects.filter(run=scored.run).count() == 1


def test_a_hidden_score_has_no_key(agent: TestAgent) -> None:
    with_task(agent, visible_to_agent=False)

    with asking(agent) as answers:
        take(agent, succeeded(0.5))

    assert answers[0].value == {
        "status": "scoringSucceeded", "message": {"hint": "warm"}, "execResult": EXEC_RESULT,
    }  # fmt: skip
    assert agent.get("getScoreLog", agent.whose).value[0]["score"] is None


def test_details_never_reach_the_agent(scored: TestAgent) -> None:
    with asking(scored) as answers:
        take(scored, succeeded(0.5))
    log = scored.get("getScoreLog", scored.whose)

    assert b"secret" not in answers[0].body + log.body


def test_no_score_leaves_nothing_behind(scored: TestAgent) -> None:
    with asking(scored) as answers:
        take(scored, Outcome(status=Status.NO_SCORE, **PRINTED))

    assert answers[0].body == b'{"result":{"data":{"status":"noScore"}}}'
    assert scored.contents() == []
    assert scored.get("getScoreLog", scored.whose).value == []


def test_a_task_without_the_method_is_answered_at_once(agent: TestAgent) -> None:
    assert agent.post("score", agent.whose).value == {"status": "noScore"}
    assert not ScoreRequest.objects.filter(branch=agent.branch).exists()


@pytest.mark.parametrize("status", scores.FAILED)
def test_a_failure_is_answered_and_ends_the_branch(scored: TestAgent, status: Status) -> None:
    with asking(scored) as answers:
        take(scored, failed(status, ErrorSource.SERVER_OR_TASK))

    assert (answers[0].status, answers[0].value) == (200, {"status": status})
    error = scored.branch.fatal_error
    assert error is not None
    assert (error["from"], error["detail"]) == ("serverOrTask", f"It {status}.")
    assert scored.contents() == []


def test_an_outcome_is_recorded_once(scored: TestAgent) -> None:
    with asking(scored):
        request = ScoreRequest.objects.get(branch=scored.branch)
        scores.begin(request)
        wins = [
            traces.record(request, succeeded(score), fatal=scores.FAILED) for score in (0.5, 0.7)
        ]

    assert wins == [True, False]
    assert [one["score"] for one in scored.contents()] == [0.5]


def test_a_call_while_another_waits_shares_its_outcome(scored: TestAgent) -> None:
    with asking(scored) as first, asking(scored) as again:
        # The second call makes no row by which its arrival could be seen.
        time.sleep(0.5)
        take(scored, succeeded(0.5))

    assert first[0].value == again[0].value
    assert len(scored.entries()) == 1


def test_a_call_after_another_takes_a_score_of_its_own(scored: TestAgent) -> None:
    for score in (0.5, 0.75):
        with asking(scored):
            take(scored, succeeded(score))

    assert [one["score"] for one in scored.contents()] == [0.5, 0.75]


def test_a_branch_that_is_killed_meanwhile_may_not_act(scored: TestAgent) -> None:
    with asking(scored) as answers:
        lifecycle.kill(scored.run.pk, by="a person")

    assert (answers[0].status, answers[0].error["data"]["code"]) == (403, "FORBIDDEN")


def test_a_branch_that_has_ended_gets_no_score_in_its_trace(scored: TestAgent) -> None:
    with asking(scored):
        request = ScoreRequest.objects.get(branch=scored.branch)
        lifecycle.kill(scored.run.pk, by="a person")

    assert not traces.record(request, succeeded(0.5), fatal=scores.FAILED)
    assert scored.contents() == []


@pytest.mark.parametrize("route", ["score", "getScoreLog"])
def test_a_crashed_branch_is_refused(scored: TestAgent, route: str) -> None:
    lifecycle.kill(scored.run.pk, by="a person")

    call: Callable[..., Answer] = scored.get if route == "getScoreLog" else scored.post
    assert call(route, scored.whose).status == 403


def test_a_branch_that_is_being_scored_takes_no_more_scores(scored: TestAgent) -> None:
    lifecycle.begin_scoring(scored.run.pk, 0, submission="2", index=1)

    assert scored.post("score", scored.whose).status == 403
    assert scored.branch.state == BranchState.SCORING


def test_a_paused_branch_waits_for_its_score(scored: TestAgent) -> None:
    scored.run.pauses.create(start=now_ms(), reason=PauseReason.PAUSE_HOOK)
    answers: list[Answer] = []
    caller = threading.Thread(target=lambda: answers.append(scored.post("score", scored.whose)))
    caller.start()

    assert scored.post("unpause", {**scored.whose, "reason": "unpauseHook"}).status == 200
    until(lambda: ScoreRequest.objects.filter(branch=scored.branch).exists())
    take(scored, succeeded(0.5))
    caller.join(timeout=15)

    assert answers[0].value["score"] == 0.5


def test_the_log_is_in_order_and_its_seconds_leave_pauses_out(scored: TestAgent) -> None:
    started = scored.branch.started_at
    assert started is not None
    scored.run.pauses.create(start=started + 1_000, end=started + 4_000, reason=PauseReason.SCORING)
    for score, seconds in ((0.75, 6.5), (0.5, 2.0), (math.nan, 0.0)):
        with asking(scored):
            take(scored, succeeded(score), at_ms=started + int(seconds * 1000))

    log = scored.get("getScoreLog", scored.whose).value

    assert [(one["score"], one["elapsedSeconds"]) for one in log] == [
        (None, 0), (0.5, 1), (0.75, 3.5),
    ]  # fmt: skip
    assert all(one["message"] == {"hint": "warm"} for one in log)
    assert log[0]["scoredAt"].endswith("Z")


def test_a_branchs_seconds_include_those_before_its_branch_point(scored: TestAgent) -> None:
    branch = scored.branch
    trunk = make_agent(scored.gateway).branch
    branch.usage_limits = {**branch.usage_limits, "total_seconds": 604_800 - 30}
    assert branch.started_at is not None
    at_ms = branch.started_at + 2_000

    assert scores.elapsed_s(branch, trunk, [], at_ms=at_ms) == 32
