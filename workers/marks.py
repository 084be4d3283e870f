"""Whether a step may go on: asked before each effect, and five times a second during long ones.

Database connections are given back after each look: steps wait for minutes, and a worker has more
threads than connections.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import connection

from runs.leases import Lease
from runs.states import BranchState, RunStatus
from workers.failures import CalledOff


class Mark:
    """A step goes on while the lease is ours and its row is as `WHILE` says.

    Serves as `should_stop` of a long command.
    """

    WHILE: ClassVar[Mapping[str, Any]]

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    def __call__(self) -> bool:
        rows = self._lease.model._default_manager.filter(
            pk=self._lease.pk, lease_fence=self._lease.fence
        )
        goes_on = rows.filter(**self.WHILE).exists()
        let_go_of_database()
        return self._lease.lost.is_set() or not goes_on

    def check(self) -> None:
        """Raise CalledOff where the step may not go on."""
        if self():
            raise CalledOff


class SetUpMark(Mark):
    """A run's set-up goes on while the run is being set up."""

    WHILE = {"status": RunStatus.SETTING_UP}


class ScoringMark(Mark):
    """A branch's scoring goes on while nobody has ended the branch."""

    WHILE = {"state__in": [BranchState.RUNNING, BranchState.SCORING]}


class StartMark(Mark):
    """A late branch's start goes on while nobody has ended the branch."""

    WHILE = {"state__in": [BranchState.NOT_STARTED, BranchState.RUNNING]}


class RescoringMark(Mark):
    """A rescoring goes on while it is open."""

    WHILE = {"finished_at__isnull": True}


def let_go_of_database() -> None:
    """Give this thread's connection back to the pool; the next query takes one again."""
    if not connection.in_atomic_block:
        connection.close()
