"""Moves of runs and branches on a real Postgres."""

from collections.abc import Callable

import pytest

from runs import leases, lifecycle, queue_moves
from runs.models import AgentBranch, Run, Transition, Verdict
from runs.states import (
    SETUP_MOVES,
    BranchState,
    ErrorSource,
    FailureClass,
    RunStatus,
    SetupState,
)
from tests.at_once import at_once
from tests.factories import make_branch, make_host, make_run
from vivaria.errors import NotFound

pytestmark = pytest.mark.django_db

PAIRS = [(at, to) for at in SetupState for to in SetupState]


def leased(run: Run) -> leases.Lease:
    lease = leases.take(Run, run.pk)
    assert lease is not None
    return lease


def trunk(run: Run) -> AgentBranch:
    return AgentBranch.objects.get(run=run, number=0)


def fail(run: Run, source: ErrorSource = ErrorSource.AGENT, detail: str = "it broke") -> bool:
    return lifecycle.fail_branch(
        run.pk, 0, source=source, failure_class=FailureClass.AGENT, detail=detail
    )


@pytest.mark.parametrize(("at", "to"), PAIRS, ids=[f"{a}-{t}" for a, t in PAIRS])
def test_set_up_makes_the_moves_of_the_table_and_no_other(at: SetupState, to: SetupState) -> None:
    run = make_run(status=RunStatus.SETTING_UP, setup_state=at)
    fence = leased(run).fence
    if to in SETUP_MOVES[at]:
        assert lifecycle.advance(run.pk, at=at, to=to, fence=fence, because="test")
    else:
        with pytest.raises(lifecycle.IllegalMove):
            lifecycle.advance(run.pk, at=at, to=to, fence=fence, because="test")
    run.refresh_from_db()
    assert run.setup_state == (to if to in SETUP_MOVES[at] else at)


def test_a_move_under_a_stale_fence_finds_no_row() -> None:
    run = make_run(status=RunStatus.SETTING_UP)
    old = leased(run)
    leases.release(old)
    leased(run)
    assert not lifecycle.advance(
        run.pk,
        at=SetupState.BUILDING_IMAGES,
        to=SetupState.STARTING_AGENT_CONTAINER,
        fence=old.fence,
        because="late",
    )


def test_a_killed_run_is_not_set_up_further() -> None:
    run = make_run(status=RunStatus.SETTING_UP)
    lease = leased(run)
    lifecycle.kill(run.pk, by="ada")
    assert not lifecycle.advance(
        run.pk,
        at=SetupState.BUILDING_IMAGES,
        to=SetupState.STARTING_AGENT_CONTAINER,
        fence=lease.fence,
        because="too late",
    )


def test_a_placed_run_is_placed_once() -> None:
    run, host = make_run(), make_host()
    assert queue_moves.place(run.pk, host=host)
    assert not queue_moves.place(run.pk, host=host)
    run.refresh_from_db()
    assert (run.status, run.setup_state) == ("setting-up", "BUILDING_IMAGES")


def test_a_branch_begins_once_and_keeps_its_first_start() -> None:
    run = make_run(status=RunStatus.SETTING_UP, setup_state=SetupState.STARTING_AGENT_PROCESS)
    assert lifecycle.begin_branch(run.pk, 0, started_at_ms=1000)
    assert lifecycle.begin_branch(run.pk, 0, started_at_ms=2000)
    assert trunk(run).started_at == 1000


def test_an_ended_branch_does_not_begin() -> None:
    assert not lifecycle.begin_branch(make_run(status=RunStatus.KILLED).pk, 0, started_at_ms=1000)


def test_a_second_submission_is_refused() -> None:
    run = make_run(status=RunStatus.RUNNING)
    assert lifecycle.begin_scoring(run.pk, 0, submission="2", index=1)
    assert not lifecycle.begin_scoring(run.pk, 0, submission="3", index=2)
    assert trunk(run).pending_submission == "2"


def test_a_run_that_is_being_scored_still_runs_for_people() -> None:
    run = make_run(status=RunStatus.RUNNING)
    lifecycle.begin_scoring(run.pk, 0, submission="2", index=1)
    run.refresh_from_db()
    assert (run.status, run.status_reason) == ("running", "scoring")


@pytest.mark.parametrize(
    ("score", "outcome", "status"),
    [
        (1.0, Verdict.Outcome.SCORED, RunStatus.SUBMITTED),
        (0.0, Verdict.Outcome.SCORED, RunStatus.SUBMITTED),
        (None, Verdict.Outcome.NO_SCORE, RunStatus.MANUAL_SCORING),
    ],
)
def test_a_verdict_stores_submission_score_and_status(
    score: float | None, outcome: Verdict.Outcome, status: RunStatus
) -> None:
    run = make_run(status=RunStatus.RUNNING)
    lifecycle.begin_scoring(run.pk, 0, submission="", index=1)
    lease = leases.take(AgentBranch, trunk(run).pk)
    assert lease is not None
    assert lifecycle.record_verdict(lease.pk, fence=lease.fence, outcome=outcome, score=score)
    assert not lifecycle.record_verdict(lease.pk, fence=lease.fence, outcome=outcome, score=score)
    run.refresh_from_db()
    assert (run.status, trunk(run).submission, trunk(run).score) == (status, "", score)
    assert Verdict.objects.filter(branch__run=run).count() == 1


def test_the_first_error_stays() -> None:
    run = make_run(status=RunStatus.RUNNING)
    assert fail(run, detail="first")
    assert not fail(run, detail="second")
    error = trunk(run).fatal_error
    assert error is not None
    assert error["detail"] == "first"


def test_an_error_closes_the_open_pause() -> None:
    run = make_run(status=RunStatus.PAUSED)
    fail(run)
    assert not run.pauses.filter(end__isnull=True).exists()


def test_a_finished_run_is_spared_by_a_kill() -> None:
    run = make_run(status=RunStatus.SUBMITTED)
    with pytest.raises(lifecycle.NothingToKill):
        lifecycle.kill(run.pk, by="ada")
    assert trunk(run).fatal_error is None


def test_a_kill_of_no_run_is_not_found() -> None:
    with pytest.raises(NotFound):
        lifecycle.kill(2_000_000_000, by="ada")


@pytest.mark.parametrize(
    "status",
    [
        RunStatus.QUEUED,
        RunStatus.CONCURRENCY_LIMITED,
        RunStatus.SETTING_UP,
        RunStatus.RUNNING,
        RunStatus.PAUSED,
    ],
)
def test_a_kill_wins_from_every_status(status: RunStatus) -> None:
    run = make_run(status=status)
    lifecycle.kill(run.pk, by="ada")
    run.refresh_from_db()
    assert (run.status, run.status_reason) == ("killed", "Killed by ada.")


def test_a_kill_ends_every_branch() -> None:
    run = make_run(status=RunStatus.RUNNING)
    make_branch(run, number=1, state=BranchState.RUNNING)
    lifecycle.kill(run.pk, by="ada")
    assert set(run.branches.values_list("state", flat=True)) == {"failed"}


def test_the_end_of_one_branch_leaves_the_others_alone() -> None:
    run = make_run(status=RunStatus.RUNNING)
    make_branch(run, number=1, state=BranchState.RUNNING)
    fail(run)
    assert not lifecycle.is_over(run.pk)
    assert run.branches.get(number=1).fatal_error is None


def test_every_move_leaves_a_record() -> None:
    run = make_run()
    queue_moves.place(run.pk, host=make_host())
    lifecycle.kill(run.pk, by="ada")
    moves = Transition.objects.filter(run=run).order_by("id").values_list("to_state", flat=True)
    assert list(moves) == ["BUILDING_IMAGES", "failed"]


def test_a_retry_counts_its_attempt_and_keeps_its_reason() -> None:
    at = SetupState.STARTING_AGENT_CONTAINER
    run = make_run(status=RunStatus.SETTING_UP, setup_state=at, setup_attempts=1)
    assert lifecycle.retry_set_up(run.pk, at=at, fence=leased(run).fence, because="engine away")
    run.refresh_from_db()
    assert (run.setup_state, run.setup_attempts) == ("BUILDING_IMAGES", 2)
    assert "engine away" in Transition.objects.get(run=run).because


@pytest.mark.django_db(transaction=True)
def test_of_eight_workers_one_wins() -> None:
    run, host = make_run(), make_host()
    won = at_once([lambda: queue_moves.place(run.pk, host=host)] * 8)
    assert sorted(won) == [False] * 7 + [True]


@pytest.mark.django_db(transaction=True)
def test_a_submission_and_a_kill_at_once_leave_one_outcome() -> None:
    run = make_run(status=RunStatus.RUNNING)
    calls: list[Callable[[], object]] = [
        lambda: lifecycle.begin_scoring(run.pk, 0, submission="2", index=1),
        lambda: lifecycle.kill(run.pk, by="ada"),
    ]
    at_once(calls)
    run.refresh_from_db()
    assert run.status == RunStatus.KILLED
    assert trunk(run).state == BranchState.FAILED


def test_a_pause_ends_with_its_branch() -> None:
    run = make_run(status=RunStatus.PAUSED)
    lifecycle.begin_scoring(run.pk, 0, submission="2", index=1)
    lease = leases.take(AgentBranch, trunk(run).pk)
    assert lease is not None
    scored = Verdict.Outcome.SCORED
    assert lifecycle.record_verdict(lease.pk, fence=lease.fence, outcome=scored, score=1.0)
    assert not run.pauses.filter(end__isnull=True).exists()
