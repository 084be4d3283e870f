"""Random histories of a run: people, agents, workers and their deaths, in any order.

After every step the rows agree with a small model and with each other, and whatever is not over
has somebody who will carry it on: a queue, a worker with a lease, an agent with its clock, or the
reconciler, which rings for it once the lease is over.
"""

import math
import os
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from runs import leases, lifecycle, limit_ends, pauses, revivals
from runs.models import AgentBranch, Pause, Run, Transition, Verdict
from runs.states import (
    BRANCH_MOVES,
    ENDED,
    SETUP_MOVES,
    UNDER_WAY,
    WAITING,
    BranchState,
    ErrorSource,
    FailureClass,
    PauseReason,
    RunStatus,
    SetupState,
)
from runs.statuses import status_of
from tests.factories import make_host, make_run, make_user
from vivaria.clock import now_ms
from vivaria.errors import Conflict, InvalidInput
from vivaria.queue import Job
from workers import reconcile

pytestmark = pytest.mark.django_db

# Set to hundreds for a long search.
EXAMPLES = int(os.environ.get("VIVARIA_TEST_HISTORIES", "8"))
# What ends a run is drawn less often, so that histories come far.
RARELY = st.integers(0, 3).map(lambda drawn: drawn == 3)
NEXT_STEP = {
    SetupState.BUILDING_IMAGES: SetupState.STARTING_AGENT_CONTAINER,
    SetupState.STARTING_AGENT_CONTAINER: SetupState.STARTING_AGENT_PROCESS,
    SetupState.STARTING_AGENT_PROCESS: SetupState.COMPLETE,
}
MOVES: dict[str, frozenset[Any]] = {
    **{str(at): frozenset(to) for at, to in SETUP_MOVES.items()},
    **{str(at): frozenset(to) for at, to in BRANCH_MOVES.items()},
    # How `_fail` records several branches at once.
    "alive": frozenset({BranchState.FAILED}),
}


class Histories(RuleBasedStateMachine):
    """One run, its trunk, and two workers of whom either may hold a lease that was lost."""

    def __init__(self) -> None:
        self.rollback = transaction.atomic()
        self.rollback.__enter__()
        self.host, self.user, self.run = make_host(), make_user(), make_run()
        self.leases: list[leases.Lease] = []
        super().__init__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.rollback.__exit__(None, None, None)

    # What people do.

    @rule(is_meant=RARELY)
    def kill(self, is_meant: bool) -> None:
        if not is_meant:
            return
        was_over = lifecycle.is_over(self.run.pk)
        try:
            lifecycle.kill(self.run.pk, by="ann")
        except lifecycle.NothingToKill:
            assert was_over
        else:
            assert not was_over
            assert self.status() == RunStatus.KILLED

    @precondition(lambda self: self.status() in ENDED)
    @rule()
    def unkill(self) -> None:
        before = self.trunk()
        try:
            revivals.revive(run_id=self.run.pk, number=0, user=self.user, starting_state=None)
        except Conflict:
            is_at_limit = (before.fatal_error or {}).get("from") == "usageLimits"
            is_set_up = self.stage() == SetupState.COMPLETE
            assert is_at_limit or before.started_at is None or not is_set_up
        else:
            assert self.trunk().state == BranchState.NOT_STARTED

    @rule(number=st.none() | st.integers(1, 3))
    def unpause(self, number: int | None) -> None:
        checkpoint = None if number is None else {"tokens": float(number)}
        try:
            pauses.unpause_branch(run_id=self.run.pk, number=0, new_checkpoint=checkpoint)
        except InvalidInput:
            reason = Pause.objects.filter(run=self.run, end__isnull=True).first()
            assert reason is None or reason.reason not in pauses.LIFTED_BY_PEOPLE

    # What the agent does.

    @precondition(lambda self: self.trunk().state == BranchState.RUNNING)
    @rule(reason=st.sampled_from([PauseReason.PAUSE_HOOK, PauseReason.CHECKPOINT_EXCEEDED]))
    def pause(self, reason: PauseReason) -> None:
        stood = Pause.objects.filter(run=self.run, end__isnull=True).exists()
        opened = pauses.open_pause(run_id=self.run.pk, number=0, start_ms=now_ms(), reason=reason)
        assert opened == (not stood)

    @rule(index=st.integers(1, 3))
    def submit(self, index: int) -> None:
        is_running = self.trunk().state == BranchState.RUNNING
        moved = lifecycle.begin_scoring(self.run.pk, 0, submission="2", index=index)
        assert moved == is_running

    @rule()
    def reach_limit(self) -> None:
        is_running = self.trunk().state == BranchState.RUNNING
        assert limit_ends.reach_limit(run_id=self.run.pk, number=0, detail="tokens") == is_running

    @rule(
        source=st.sampled_from([ErrorSource.AGENT, ErrorSource.SERVER, ErrorSource.TASK]),
        is_meant=RARELY,
    )
    def fail(self, source: ErrorSource, is_meant: bool) -> None:
        if not is_meant:
            return
        was_under_way = self.trunk().state in UNDER_WAY
        kept = self.trunk().fatal_error
        failed = lifecycle.fail_branch(
            self.run.pk, 0, source=source, failure_class=FailureClass.AGENT, detail="it broke"
        )
        assert failed == was_under_way
        assert failed or self.trunk().fatal_error == kept

    # What workers do, the late ones too.

    @rule()
    def place(self) -> None:
        waits = self.status() in WAITING and self.stage() == SetupState.NOT_STARTED
        assert lifecycle.place(self.run.pk, host=self.host) == waits

    @rule()
    def take_lease(self) -> None:
        lease = leases.take(Run, self.run.pk)
        if lease is not None:
            self.leases.append(lease)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def advance(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.leases))
        at = self.stage()
        if at not in NEXT_STEP:
            return
        holds = self.is_current(lease)
        if NEXT_STEP[at] == SetupState.COMPLETE and holds:
            lifecycle.begin_branch(self.run.pk, 0, started_at_ms=now_ms())
        moved = lifecycle.advance(
            self.run.pk, at=at, to=NEXT_STEP[at], fence=lease.fence, because="done"
        )
        assert holds or not moved
        assert moved == (self.stage() != at)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def set_up_again(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.leases))
        moved = lifecycle.retry_set_up(
            self.run.pk, at=self.stage(), fence=lease.fence, because="a fault of ours"
        )
        assert not moved or self.is_current(lease)

    @rule()
    def requeue(self) -> None:
        if lifecycle.requeue(self.run.pk, because="its host fell silent"):
            assert self.status() == RunStatus.QUEUED
            assert not any(self.is_current(lease) for lease in self.leases)

    @rule()
    def start_late(self) -> None:
        branch = self.trunk()
        if branch.revivals and branch.state == BranchState.NOT_STARTED:
            assert revivals.begin(branch)

    @rule(
        outcome=st.sampled_from([Verdict.Outcome.SCORED, Verdict.Outcome.NO_SCORE]),
        is_late=st.booleans(),
    )
    def score(self, outcome: Verdict.Outcome, is_late: bool) -> None:
        branch = self.trunk()
        lease = leases.take(AgentBranch, branch.pk)
        if lease is None:
            return
        if is_late:
            leases.revoke(AgentBranch, branch.pk)
        recorded = lifecycle.record_verdict(
            branch.pk,
            fence=lease.fence,
            outcome=outcome,
            score=1.0 if outcome == Verdict.Outcome.SCORED else None,
        )
        leases.release(lease)
        assert recorded == (branch.state == BranchState.SCORING and not is_late)

    @rule(times=st.integers(1, 5))
    def all_goes_well(self, times: int) -> None:
        """The usual next steps, so that histories come far."""
        for _ in range(times):
            match self.trunk().state, self.stage():
                case _, SetupState.NOT_STARTED:
                    self.place()
                case BranchState.RUNNING, SetupState.COMPLETE:
                    self.submit(1)
                case BranchState.SCORING, SetupState.COMPLETE:
                    self.score(Verdict.Outcome.SCORED, is_late=False)
                case BranchState.NOT_STARTED, SetupState.COMPLETE:
                    self.start_late()
                case _:
                    self.one_step_of_set_up()

    def one_step_of_set_up(self) -> None:
        with leases.held(Run, self.run.pk) as lease:
            at = self.stage()
            if lease is None or at not in NEXT_STEP:
                return
            if NEXT_STEP[at] == SetupState.COMPLETE:
                lifecycle.begin_branch(self.run.pk, 0, started_at_ms=now_ms())
            fence = lease.fence
            lifecycle.advance(self.run.pk, at=at, to=NEXT_STEP[at], fence=fence, because="done")

    @rule()
    def fall_silent(self) -> None:
        """Whoever holds a lease is dead for longer than it lasts."""
        silent = {"lease_expires_at": Now() - leases.EXPIRY}
        Run.objects.filter(pk=self.run.pk, lease_expires_at__isnull=False).update(**silent)

    # What holds at any time.

    @invariant()
    def the_status_follows_from_the_rows(self) -> None:
        run, trunk = Run.objects.get(pk=self.run.pk), self.trunk()
        paused = Pause.objects.filter(run=run, end__isnull=True).exists()
        assert run.status == status_of(run, trunk, paused=paused)

    @invariant()
    def every_move_is_in_the_table(self) -> None:
        moves = Transition.objects.filter(run=self.run).values_list("at_state", "to_state")
        assert all(to in MOVES[at] for at, to in moves), list(moves)

    @invariant()
    def what_is_over_is_complete(self) -> None:
        branch = self.trunk()
        match branch.state:
            case BranchState.SUBMITTED:
                assert branch.submission is not None
                assert branch.fatal_error is None
                assert branch.score is None or math.isfinite(branch.score)
            case BranchState.FAILED:
                assert branch.fatal_error is not None
                assert branch.failure_class
            case _:
                assert branch.completed_at is None
                assert branch.fatal_error is None
                return
        assert branch.completed_at is not None
        assert self.status() in ENDED
        open_ones = Pause.objects.filter(run=self.run, end__isnull=True)
        assert branch.state == BranchState.SUBMITTED or not open_ones.exists()

    @invariant()
    def what_is_not_over_is_carried_on(self) -> None:
        if lifecycle.is_over(self.run.pk):
            return
        run, branch = Run.objects.get(pk=self.run.pk), self.trunk()
        if run.setup_state == SetupState.NOT_STARTED:
            assert run.status in WAITING
        elif run.setup_state != SetupState.COMPLETE:
            assert self.is_held(run) or Job.SET_UP_RUN in rung()
        elif branch.state == BranchState.SCORING:
            assert Job.SCORE_BRANCH in rung()
        elif branch.state == BranchState.NOT_STARTED:
            assert Job.START_BRANCH in rung()
        else:
            assert branch.state == BranchState.RUNNING
            assert self.status() in (RunStatus.RUNNING, RunStatus.PAUSED)
            assert self.status() == RunStatus.PAUSED or branch.deadline_at is not None

    def trunk(self) -> AgentBranch:
        return AgentBranch.objects.get(run=self.run, number=0)

    def status(self) -> RunStatus:
        return RunStatus(Run.objects.values_list("status", flat=True).get(pk=self.run.pk))

    def stage(self) -> SetupState:
        rows = Run.objects.values_list("setup_state", flat=True)
        return SetupState(rows.get(pk=self.run.pk))

    def is_current(self, lease: leases.Lease) -> bool:
        return Run.objects.filter(pk=lease.pk, lease_fence=lease.fence).exists()

    def is_held(self, run: Run) -> bool:
        return Run.objects.filter(pk=run.pk, lease_expires_at__gte=Now()).exists()


def rung() -> set[Job]:
    """What the reconciler asks for, looking at the rows as they are."""
    before = len(connection.run_on_commit)
    reconcile.ring_for_what_waits()
    asked = [entry[1] for entry in connection.run_on_commit[before:]]
    del connection.run_on_commit[before:]
    return {one.args[0] for one in asked if isinstance(one, partial)}


def test_no_history_leaves_a_run_in_an_illegal_state_or_to_nobody() -> None:
    run_state_machine_as_test(
        Histories, settings=settings(max_examples=EXAMPLES, stateful_step_count=25, deadline=None)
    )
