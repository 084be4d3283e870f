"""Task environments without an agent: what people ask of them, done in turn by one worker.

A worker that dies leaves the order open; the reconciler rings, and another worker begins with it
again. A start that fails, for whatever reason, is followed by the environment's removal.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from django.db import DatabaseError

from runs import environments, leases
from runs.archives import BadArchive
from runs.models import EnvironmentOrder, TaskEnvironment
from runs.states import Step
from vivaria.errors import HostRefused, HostUnreachable, VivariaError
from workers import environment_container, environment_use, patience
from workers.docker.errors import ContainerGone, ExecStopped
from workers.docker.port import ContainerHost
from workers.environment_marks import OrderMark
from workers.environment_start import start
from workers.failures import CalledOff, StepFailed
from workers.faults import EnvironmentPlace, reach
from workers.step_output import recorded_of_order

log = structlog.get_logger(__name__)

Kind = EnvironmentOrder.Kind
Json = dict[str, Any]


def serve(environment_id: int, *, host: ContainerHost) -> None:
    """Do all that is asked of an environment, if nobody else is at it."""
    # Again: who asked while we let go of the lease found it held, and left it to us.
    while environments.next_order(environment_id) is not None:
        with leases.held(TaskEnvironment, environment_id) as lease:
            if lease is None:
                return
            while (order := environments.next_order(environment_id)) is not None:
                if not _Worker(order, host, lease).does_it():
                    return


class _Worker:
    """One worker's go at one order."""

    def __init__(self, order: EnvironmentOrder, host: ContainerHost, lease: leases.Lease) -> None:
        self._order = order
        self._host = host
        self._lease = lease
        self._mark = OrderMark(lease, order)

    def does_it(self) -> bool:
        """Do it; False where somebody else has to, or later."""
        environments.take_up(self._order)
        environment = TaskEnvironment.objects.select_related("user", "host").get(
            pk=self._order.environment_id
        )
        try:
            result = self._do(environment)
        except (CalledOff, ExecStopped):
            return self._is_called_off()
        except HostUnreachable as error:
            return self._may_go_on_without_host(error)
        except (StepFailed, ContainerGone, HostRefused, BadArchive) as failure:
            return self._fail(_with_traceback(failure))
        except DatabaseError:
            # Nothing can be written down now; the lease runs out and the reconciler rings.
            raise
        except Exception as error:
            log.exception("environment_order_broke", environment_id=environment.pk)
            words = str(error) if isinstance(error, VivariaError) else repr(error)
            return self._fail(f"Vivaria failed: {words}")
        log.info(
            "environment_order_done", environment_id=environment.pk, kind=str(self._order.kind)
        )
        return environments.finish(self._order, fence=self._lease.fence, result=result)

    def _do(self, environment: TaskEnvironment) -> Json | None:
        if self._order.attempts > patience.ATTEMPTS and self._order.kind != Kind.DESTROY:
            raise HostRefused(
                f"The workers that were at it died {patience.ATTEMPTS} times. Their log says why."
            )
        self._mark.check()
        return _DOES[Kind(self._order.kind)](environment, self._order, self._host, self._mark)

    def _is_called_off(self) -> bool:
        if self._lease.lost.is_set():
            return False
        # It is the wish to destroy that called it off: that comes next.
        return self._fail(environments.DESTROYED)

    def _may_go_on_without_host(self, error: HostUnreachable) -> bool:
        log.warning(
            "environment_order_interrupted",
            environment_id=self._order.environment_id,
            kind=str(self._order.kind),
            error=str(error),
        )
        if self._order.kind == Kind.DESTROY:
            # For as long as it takes; the reconciler rings.
            return False
        if self._order.attempts >= patience.ATTEMPTS:
            return self._fail(f"Tried {self._order.attempts} times: {error}")
        patience.wait_for(self._host, self._mark)
        return True

    def _fail(self, detail: str) -> bool:
        log.info(
            "environment_order_failed",
            environment_id=self._order.environment_id,
            kind=str(self._order.kind),
            detail=detail,
        )
        if self._order.kind == Kind.DESTROY:
            # Never given up, but not at once again either.
            return False
        return environments.finish(self._order, fence=self._lease.fence, failure=detail)


def _stop(
    environment: TaskEnvironment, _: EnvironmentOrder, host: ContainerHost, mark: OrderMark
) -> None:
    environment_container.tear_down(environment, host)
    mark.check()
    host.kill(environment_container.name_of(environment))
    environments.mark_running(environment.pk, is_running=False)


def _restart(
    environment: TaskEnvironment, _: EnvironmentOrder, host: ContainerHost, mark: OrderMark
) -> None:
    name = environment_container.state_of(environment, host).name
    host.kill(name)
    environment_container.make_network(host, environment)
    mark.check()
    environment_container.start(host, environment)
    environments.mark_running(environment.pk, is_running=True)


def _destroy(
    environment: TaskEnvironment, _: EnvironmentOrder, host: ContainerHost, __: OrderMark
) -> None:
    environment_container.tear_down(environment, host)
    environment_container.remove(environment, host)
    reach(EnvironmentPlace.REMOVED)
    environments.mark_destroyed(environment.pk)


def _score(
    environment: TaskEnvironment, order: EnvironmentOrder, host: ContainerHost, mark: OrderMark
) -> Json:
    with recorded_of_order(order_id=order.pk, step=Step.SCORE, attempt=order.attempts) as out:
        found = environment_use.score(environment, order, host=host, log=out, mark=mark)
        reach(EnvironmentPlace.USED)
        return found


def _test(
    environment: TaskEnvironment, order: EnvironmentOrder, host: ContainerHost, mark: OrderMark
) -> Json:
    with recorded_of_order(order_id=order.pk, step=Step.SCORE, attempt=order.attempts) as out:
        found = environment_use.test(environment, order, host=host, log=out, mark=mark)
        reach(EnvironmentPlace.USED)
        return found


Does = Callable[[TaskEnvironment, EnvironmentOrder, ContainerHost, OrderMark], Json | None]
_DOES: Final[Mapping[EnvironmentOrder.Kind, Does]] = {
    Kind.START: start,
    Kind.TEST: _test,
    Kind.SCORE: _score,
    Kind.STOP: _stop,
    Kind.RESTART: _restart,
    Kind.DESTROY: _destroy,
    Kind.GRANT_SSH: environment_use.grant_ssh,
    Kind.ADDRESS: environment_use.address,
}


def _with_traceback(failure: Exception) -> str:
    trace = failure.trace if isinstance(failure, StepFailed) else None
    return f"{failure}\n{trace.rstrip()}" if trace else str(failure)
