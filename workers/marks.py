"""Whether a step may go on: asked before each effect, and five times a second during long ones.

Database connections are given back after each look: steps wait for minutes, and a worker has more
threads than connections.
"""

from typing import Protocol

from django.db import connection

from runs.leases import Lease
from runs.models import AgentBranch, Rescoring, Run
from runs.states import BranchState, RunStatus
from workers.failures import CalledOff


class Mark(Protocol):
    """Serves as `should_stop` of a long command."""

    def __call__(self) -> bool: ...
    def check(self) -> None:
        """Raise CalledOff where the step may not go on."""


class SetUpMark:
    """A run's set-up goes on while the run is being set up and the lease is ours."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    def __call__(self) -> bool:
        ours = Run.objects.filter(
            pk=self._lease.pk, lease_fence=self._lease.fence, status=RunStatus.SETTING_UP
        )
        return _is_off(self._lease, goes_on=ours.exists())

    def check(self) -> None:
        if self():
            raise CalledOff


class ScoringMark:
    """A branch's scoring goes on while nobody has ended the branch and the lease is ours."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    def __call__(self) -> bool:
        ours = AgentBranch.objects.filter(
            pk=self._lease.pk,
            lease_fence=self._lease.fence,
            state__in=[BranchState.RUNNING, BranchState.SCORING],
        )
        return _is_off(self._lease, goes_on=ours.exists())

    def check(self) -> None:
        if self():
            raise CalledOff


class StartMark:
    """A late branch's start goes on while nobody has ended the branch and the lease is ours."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    def __call__(self) -> bool:
        ours = AgentBranch.objects.filter(
            pk=self._lease.pk,
            lease_fence=self._lease.fence,
            state__in=[BranchState.NOT_STARTED, BranchState.RUNNING],
        )
        return _is_off(self._lease, goes_on=ours.exists())

    def check(self) -> None:
        if self():
            raise CalledOff


class RescoringMark:
    """A rescoring goes on while it is open and the lease is ours."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    def __call__(self) -> bool:
        ours = Rescoring.objects.filter(
            pk=self._lease.pk, lease_fence=self._lease.fence, finished_at__isnull=True
        )
        return _is_off(self._lease, goes_on=ours.exists())

    def check(self) -> None:
        if self():
            raise CalledOff


def _is_off(lease: Lease, *, goes_on: bool) -> bool:
    let_go_of_database()
    return lease.lost.is_set() or not goes_on


def let_go_of_database() -> None:
    """Give this thread's connection back to the pool; the next query takes one again."""
    if not connection.in_atomic_block:
        connection.close()
