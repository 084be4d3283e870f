"""Whether what is asked of an environment without an agent may go on (see `workers.marks`)."""

from runs import environments
from runs.leases import Lease
from runs.models import EnvironmentOrder, TaskEnvironment
from workers.failures import CalledOff
from workers.marks import Mark, let_go_of_database


class OrderMark(Mark):
    """An order goes on while it is open, the lease is ours and nobody destroys the environment."""

    def __init__(self, lease: Lease, order: EnvironmentOrder) -> None:
        self._lease = lease
        self._order = order

    def __call__(self) -> bool:
        ours = TaskEnvironment.objects.filter(pk=self._lease.pk, lease_fence=self._lease.fence)
        goes_on = ours.exists() and not environments.is_called_off(self._order)
        let_go_of_database()
        return self._lease.lost.is_set() or not goes_on

    def check(self) -> None:
        if self():
            raise CalledOff
