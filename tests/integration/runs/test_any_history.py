"""Any sequence of what people, agents, workers and faults do to a run leaves it in a legal state.

The moves are real, on a real Postgres; only what a worker does to containers between two moves is
left out. At the end of each history all workers are dead; new ones do what the reconciler rings
for, and nothing else, and the run has to end. Time is moved on in the rows, never slept.
"""

from collections.abc import Callable
from functools import partial

import pytest
from django.db import connection
from django.db.models.functions import Now
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from runs import leases, lifecycle, limit_ends, pauses, queue_moves, revivals
from runs.dispatch import dispatch
from runs.leases import Lease, LeasedModel
from runs.models import AgentBranch, Pause, Run, TaskEnvironment, Verdict
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
from tests.factories import make_host, make_run, make_snapshot, make_user
from vivaria.clock import now_ms
from vivaria.errors import Conflict, InvalidInput
from vivaria.queue import Job
from workers import containers, reconcile

pytestmark = pytest.mark.django_db

S, B = SetupState, BranchState
HISTORIES, LENGTH = 16, 18
FORWARD = {
    S.BUILDING_IMAGES: S.STARTING_AGENT_CONTAINER,
    S.STARTING_AGENT_CONTAINER: S.STARTING_AGENT_PROCESS,
    S.STARTING_AGENT_PROCESS: S.COMPLETE,
}
Grade = tuple[Verdict.Outcome, float | None]
GRADES: tuple[Grade, ...] = ((Verdict.Outcome.SCORED, 1.0), (Verdict.Outcome.NO_SCORE, None))
# Every status that was come by.
SEEN: set[str] = set()
# Rounds of rings after which the longest way to an end is over.
PATIENCE = 12


class Histories(RuleBasedStateMachine):
    """One run, and all that may befall it."""

    @initialize(
        is_scored_at_limits=st.booleans(),
        keeps=st.booleans(),
        start=st.sampled_from(["queued", "placed", "placed", "running"]),
        grade=st.sampled_from(GRADES),
    )
    def begin(self, is_scored_at_limits: bool, keeps: bool, start: str, grade: Grade) -> None:
        # Each history is alone in the tables.
        self.savepoint = connection.savepoint()
        self.grade = grade
        self.user = make_user()
        self.host = make_host()
        self.id = make_run(user=self.user, keep_task_environment_running=keeps).pk
        scoring = {"score_on_usage_limits": is_scored_at_limits}
        said = {"instructions": "", "definition": {"scoring": scoring}}
        TaskEnvironment.objects.filter(run=self.id).update(setup_data=said)
        # Every lease that was ever given, newest last: late workers write under the older ones.
        self.leases: list[Lease] = []
        self.before = (S.NOT_STARTED, B.NOT_STARTED)
        if start == "placed":
            dispatch()
            self.before = (S.BUILDING_IMAGES, B.NOT_STARTED)
        elif start == "running":
            self.go_on()

    # What the model knows

    @property
    def run(self) -> Run:
        return Run.objects.get(pk=self.id)

    @property
    def trunk(self) -> AgentBranch:
        return AgentBranch.objects.get(run_id=self.id, number=0)

    @property
    def has_ended(self) -> bool:
        return self.trunk.state not in UNDER_WAY

    def is_valid(self, lease: Lease) -> bool:
        found = lease.model._default_manager.get(pk=lease.pk)
        return bool(found.lease_fence == lease.fence)

    # What workers do

    @rule()
    def hints_of_dispatch(self) -> None:
        waits = self.run.status in WAITING
        assert [dispatch(), dispatch()] == [int(waits), 0]

    @rule(of_run=st.booleans())
    def hint_of_a_step(self, of_run: bool) -> None:
        model, pk = (Run, self.id) if of_run else (AgentBranch, self.trunk.pk)
        self.take(model, pk)

    def take(self, model: LeasedModel, pk: int) -> Lease | None:
        free = model._default_manager.filter(reconcile.FREE, pk=pk).exists()
        lease = leases.take(model, pk)
        assert (lease is not None) == free
        if lease is not None:
            self.leases.append(lease)
        return lease

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def a_worker_moves_the_set_up_on(self, data: st.DataObject) -> None:
        lease, run = self.any_lease(data), self.run
        at = S(run.setup_state)
        if lease.model is not Run or at not in FORWARD:
            return
        to = FORWARD[at]
        may = self.is_valid(lease) and (to == S.COMPLETE or run.status == RunStatus.SETTING_UP)
        if at == S.STARTING_AGENT_PROCESS and not self.begin_trunk():
            return
        moved = lifecycle.advance(self.id, at=at, to=to, fence=lease.fence, because="done")
        assert moved == may

    def begin_trunk(self) -> bool:
        goes = self.trunk.state in UNDER_WAY
        assert lifecycle.begin_branch(self.id, 0, started_at_ms=now_ms()) == goes
        return goes

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def a_worker_tries_again(self, data: st.DataObject) -> None:
        lease, run = self.any_lease(data), self.run
        if lease.model is Run and S.BUILDING_IMAGES in SETUP_MOVES[S(run.setup_state)]:
            lifecycle.retry_set_up(
                self.id, at=S(run.setup_state), fence=lease.fence, because="no host"
            )

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def a_worker_has_scored(self, data: st.DataObject) -> None:
        lease = self.any_lease(data)
        if lease.model is AgentBranch:
            may = self.is_valid(lease) and self.trunk.state == B.SCORING
            outcome, score = self.grade
            recorded = lifecycle.record_verdict(
                lease.pk, fence=lease.fence, outcome=outcome, score=score
            )
            assert recorded == may

    def any_lease(self, data: st.DataObject) -> Lease:
        return data.draw(st.sampled_from(self.leases[-3:]))

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def a_worker_is_done(self, data: st.DataObject) -> None:
        leases.release(self.any_lease(data))

    @rule()
    def a_worker_cleans_up(self) -> None:
        run = self.run
        if lifecycle.is_over(self.id) and not run.keep_task_environment_running:
            if run.setup_state == S.COMPLETE and run.task_environment.destroyed_at is None:  # type: ignore[union-attr]
                make_snapshot(run, key=f"final-{run.pk}-{self.trunk.revivals}")
            containers.mark_gone(self.id, at_ms=now_ms())

    # What goes wrong

    @precondition(lambda self: self.leases)
    @rule()
    def a_lease_runs_out(self) -> None:
        _let_leases_run_out(self.id)

    @rule()
    def its_host_falls_silent(self) -> None:
        run = self.run
        may = run.status == RunStatus.SETTING_UP and (
            S.NOT_STARTED in SETUP_MOVES[S(run.setup_state)]
        )
        assert queue_moves.requeue(self.id, because="its host is silent") == may

    @rule(of_agent=st.booleans(), really=st.integers(0, 3))
    def it_breaks(self, of_agent: bool, really: int) -> None:
        if really or (of_agent and self.trunk.state != B.RUNNING):
            return
        source = ErrorSource.AGENT if of_agent else ErrorSource.SERVER
        failure = FailureClass.AGENT if of_agent else FailureClass.INFRASTRUCTURE
        goes = not self.has_ended
        broke = lifecycle.fail_branch(
            self.id, 0, source=source, failure_class=failure, detail="broken"
        )
        assert broke == goes

    # What agents and people do

    @precondition(lambda self: self.trunk.state == B.RUNNING)
    @rule(answer=st.sampled_from(["", "2"]))
    def submit(self, answer: str) -> None:
        assert lifecycle.begin_scoring(self.id, 0, submission=answer, index=1)

    @rule()
    def reach_a_limit(self) -> None:
        goes = self.trunk.state == B.RUNNING
        assert limit_ends.reach_limit(run_id=self.id, number=0, detail="too much") == goes

    @rule(reason=st.sampled_from([PauseReason.PAUSE_HOOK, PauseReason.HUMAN_INTERVENTION]))
    def pause(self, reason: PauseReason) -> None:
        if self.trunk.state == B.RUNNING:
            pauses.open_pause(run_id=self.id, number=0, start_ms=now_ms(), reason=reason)

    @rule(by_a_person=st.booleans())
    def unpause(self, by_a_person: bool) -> None:
        try:
            if by_a_person:
                pauses.unpause_branch(run_id=self.id, number=0, new_checkpoint=None)
            else:
                pauses.close_pause(run_id=self.id, number=0, end_ms=None, is_retry=False)
        except InvalidInput:
            reasons = Pause.objects.filter(run=self.id, end=None).values_list("reason", flat=True)
            assert set(reasons) <= {PauseReason.HUMAN_INTERVENTION, PauseReason.OVERRIDE}

    @rule(really=st.integers(0, 3))
    def kill(self, really: int) -> None:
        # Seldom: what is killed does little more.
        if really:
            return
        ended = self.has_ended
        try:
            lifecycle.kill(self.id, by="ada")
        except lifecycle.NothingToKill:
            assert ended
        assert self.has_ended

    @rule()
    def unkill(self) -> None:
        try:
            revivals.revive(run_id=self.id, number=0, user=self.user, starting_state=None)
        except Conflict:
            return
        assert self.trunk.state == B.NOT_STARTED

    @rule()
    def all_workers_die_and_others_come(self) -> None:
        """No run is without an owner or an end for longer than a lease."""
        _let_leases_run_out(self.id)
        assert _rings() == self.job_of_it()

    @rule()
    def a_healthy_worker_comes(self) -> None:
        self.go_on()

    @precondition(lambda self: self.trunk.state == B.SCORING)
    @rule()
    def a_healthy_scorer_comes(self) -> None:
        _let_leases_run_out(self.id)
        self.score()

    # What holds at all times

    @invariant()
    def the_move_was_legal_and_the_rows_agree(self) -> None:
        run, trunk = self.run, self.trunk
        before, now = self.before, (S(run.setup_state), B(trunk.state))
        assert now[0] == before[0] or now[0] in SETUP_MOVES[before[0]], (before, now)
        assert now[1] == before[1] or now[1] in BRANCH_MOVES[before[1]], (before, now)
        self.before = now
        self.the_rows_agree(run, trunk)

    def the_rows_agree(self, run: Run, trunk: AgentBranch) -> None:
        open_pauses = Pause.objects.filter(run=run, end__isnull=True).count()
        has_ended = trunk.state not in UNDER_WAY
        assert run.status == status_of(run, trunk, paused=open_pauses > 0)
        assert (run.status in ENDED) == has_ended
        assert (trunk.completed_at is not None) == has_ended
        assert (trunk.fatal_error is not None) == (trunk.state == B.FAILED)
        assert bool(trunk.failure_class) == (trunk.state == B.FAILED)
        assert open_pauses <= (0 if has_ended else 1)
        assert trunk.state != B.SUBMITTED or trunk.submission is not None
        assert trunk.verdicts.count() <= 1 + trunk.revivals
        SEEN.add(run.status)

    def job_of_it(self) -> set[Job]:
        """What the reconciler has to ring for while nobody is at the run."""
        run, trunk = self.run, self.trunk
        if run.status in WAITING:
            return set()  # the dispatcher's, at each of its ticks
        if trunk.state in UNDER_WAY and run.setup_state in FORWARD:
            scores = {Job.SCORE_BRANCH} if trunk.state == B.SCORING else set()
            is_setting_up = run.status == RunStatus.SETTING_UP
            return scores | ({Job.SET_UP_RUN} if is_setting_up else set())
        if trunk.state == B.SCORING:
            return {Job.SCORE_BRANCH}
        if trunk.state == B.NOT_STARTED or (trunk.state == B.RUNNING and _is_to_launch(trunk)):
            return {Job.START_BRANCH}
        if trunk.state == B.RUNNING:
            return set()  # its agent's; the host's events and the deadline end it
        environment = TaskEnvironment.objects.get(run=run)
        is_left = environment.host_id is not None and environment.destroyed_at is None
        is_kept = run.keep_task_environment_running
        return {Job.CLEAN_UP_RUN} if is_left and not is_kept else set()

    def teardown(self) -> None:
        if not hasattr(self, "savepoint"):
            return
        try:
            for _ in range(PATIENCE):
                if not self.go_on() and self.run.status in ENDED:
                    break
            assert self.run.status in ENDED
            assert _rings() == set()
        finally:
            connection.savepoint_rollback(self.savepoint or "")

    def go_on(self) -> set[Job]:
        """Be the dispatcher, and a worker that does what the reconciler rings for."""
        do: dict[Job, Callable[[], None]] = {
            Job.SET_UP_RUN: self.set_up,
            Job.SCORE_BRANCH: self.score,
            Job.START_BRANCH: self.start_branch,
            Job.CLEAN_UP_RUN: self.a_worker_cleans_up,
        }
        _let_leases_run_out(self.id)
        dispatch()
        rings = _rings()
        for job in rings:
            do[job]()
        if not rings and self.trunk.state == B.RUNNING:
            self.submit("2")
        run, trunk = self.run, self.trunk
        self.before = (S(run.setup_state), B(trunk.state))
        self.the_rows_agree(run, trunk)
        return rings

    def take_from_another(self, model: LeasedModel, pk: int) -> tuple[Lease, Lease]:
        """Take a lease that ran out under another worker; what that one writes finds no row."""
        late = self.take(model, pk)
        _let_leases_run_out(self.id)
        lease = self.take(model, pk)
        assert late is not None
        assert lease is not None
        assert not leases.renew(late)
        return late, lease

    def set_up(self) -> None:
        late, lease = self.take_from_another(Run, self.id)
        while (at := S(self.run.setup_state)) in FORWARD:
            if at == S.STARTING_AGENT_PROCESS and not self.begin_trunk():
                break
            to = FORWARD[at]
            assert not lifecycle.advance(self.id, at=at, to=to, fence=late.fence, because="late")
            assert lifecycle.advance(self.id, at=at, to=to, fence=lease.fence, because="done")
        leases.release(lease)

    def score(self) -> None:
        late, lease = self.take_from_another(AgentBranch, self.trunk.pk)
        outcome, score = self.grade
        for fence in (late.fence, lease.fence):
            recorded = lifecycle.record_verdict(lease.pk, fence=fence, outcome=outcome, score=score)
            assert recorded == (fence == lease.fence)
        leases.release(lease)

    def start_branch(self) -> None:
        assert revivals.begin(self.trunk)
        AgentBranch.objects.filter(pk=self.trunk.pk).update(launched_at=now_ms())


def _is_to_launch(branch: AgentBranch) -> bool:
    return branch.is_late and branch.launched_at is None


def _let_leases_run_out(run_id: int) -> None:
    past = Now() - leases.EXPIRY
    Run.objects.filter(pk=run_id, lease_expires_at__isnull=False).update(lease_expires_at=past)
    held = AgentBranch.objects.filter(run=run_id, lease_expires_at__isnull=False)
    held.update(lease_expires_at=past)


def _rings() -> set[Job]:
    """What the reconciler rings for now. In a test's transaction no ring is ever sent."""
    connection.run_on_commit.clear()
    reconcile.ring_for_what_waits()
    sent = [send for _, send, *_ in connection.run_on_commit]
    rings = {Job(send.args[0]) for send in sent if isinstance(send, partial)}
    connection.run_on_commit.clear()
    return rings


def test_any_history_is_legal_and_comes_to_an_end(empty_redis: str) -> None:
    settings_of_it = settings(
        max_examples=HISTORIES,
        stateful_step_count=LENGTH,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Histories, settings=settings_of_it)
    # The histories went far enough to say something.
    assert RunStatus.RUNNING in SEEN
    assert SEEN & {RunStatus.SUBMITTED, RunStatus.MANUAL_SCORING}
