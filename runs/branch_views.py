"""The branches of a run as its page shows them: a tree with what became of each."""

from collections.abc import Sequence
from dataclasses import dataclass

from runs.looks import Look, full_look_of
from runs.models import AgentBranch, Pause, Run
from runs.states import BranchState, FailureClass, PauseReason, RunStatus

_ENDED_BY = {FailureClass.USER: RunStatus.KILLED, FailureClass.LIMIT: RunStatus.USAGE_LIMITS}


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchView:
    """One branch: where it leaves which, and how it stands."""

    number: int
    parent: int | None
    forked_at: int | None
    depth: int
    look: Look
    score: float | None
    entries: int
    is_over: bool

    @property
    def name(self) -> str:
        return f"Branch {self.number}" if self.number else "Trunk"


def status_of(run: Run, branch: AgentBranch, *, is_paused: bool) -> RunStatus:
    """Say in a run's words how a branch stands; the trunk stands as its run does."""
    if branch.number == 0:
        return RunStatus(run.status)
    match BranchState(branch.state):
        case BranchState.SUBMITTED:
            return RunStatus.SUBMITTED
        case BranchState.FAILED:
            return _ENDED_BY.get(FailureClass(branch.failure_class or "agent"), RunStatus.ERROR)
        case BranchState.NOT_STARTED:
            return RunStatus.SETTING_UP
        case _:
            return RunStatus.PAUSED if is_paused else RunStatus.RUNNING


def branches_of(run_id: int) -> dict[int, AgentBranch]:
    """A run's branches with their totals, by number, without what they printed or began with."""
    found = (
        AgentBranch.objects.filter(run_id=run_id)
        .select_related("totals")
        .defer("agent_command_result", "score_command_result", "agent_starting_state")
        .order_by("number")
    )
    return {branch.number: branch for branch in found}


def branch_views(
    run: Run, branches: Sequence[AgentBranch], pauses: Sequence[Pause]
) -> list[BranchView]:
    """Lay out a run's branches, each below the one that it leaves."""
    reasons = {
        pause.branch_number: PauseReason(pause.reason) for pause in pauses if pause.end is None
    }
    return _below(run, branches, reasons, parent=None, depth=0)


def _below(
    run: Run,
    branches: Sequence[AgentBranch],
    pauses: dict[int, PauseReason],
    *,
    parent: int | None,
    depth: int,
) -> list[BranchView]:
    shown: list[BranchView] = []
    for branch in branches:
        if branch.parent_number == parent and (parent is not None or branch.number == 0):
            shown.append(_view(run, branch, pauses.get(branch.number), depth))
            shown += _below(run, branches, pauses, parent=branch.number, depth=depth + 1)
    return shown


def _view(run: Run, branch: AgentBranch, pause: PauseReason | None, depth: int) -> BranchView:
    status = status_of(run, branch, is_paused=pause is not None)
    return BranchView(
        number=branch.number,
        parent=branch.parent_number,
        forked_at=branch.parent_trace_entry_id,
        depth=depth,
        look=full_look_of(status, pause, failure_class=branch.failure_class),
        score=branch.score,
        entries=branch.totals.entries,
        is_over=branch.state in (BranchState.SUBMITTED, BranchState.FAILED),
    )
