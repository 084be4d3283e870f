"""Containers and networks of ours that no run needs: what crashes left behind."""

from typing import Final

import structlog

from runs import lifecycle
from runs.models import Host, Run, TaskEnvironment
from vivaria.clock import now_ms
from vivaria.config import config
from workers import containers, environment_upkeep, late_work, locks, snapshots
from workers.docker import names
from workers.docker.port import ContainerHost
from workers.docker.types import ContainerName, ContainerSummary, Labels

log = structlog.get_logger(__name__)

# By its name: containers inherit their image's labels, so a builder's label says little.
BUILDER: Final = "-build-"


def labels() -> dict[str, str]:
    """Labels of everything that this instance has on any host."""
    return names.labels_of_instance(config().instance)


def remove(host: ContainerHost, *, host_name: str) -> None:
    """Remove what belongs to no run that is under way here, and to no build that is."""
    found = host.containers(labels())
    late_work.remove_leftovers(host, [container.name for container in found])
    environment_upkeep.remove_leftovers(host, [*found, *host.networks(labels())])
    for container in found:
        run_id = _run_in(container.labels)
        if run_id is not None and is_unwanted(run_id, host_name):
            log.info("leftover_removed", container=container.name, run_id=run_id)
            containers.remove(host, run_id)
            if not is_elsewhere(run_id, host_name):
                containers.mark_gone(run_id, at_ms=now_ms())
        elif run_id is None and BUILDER in container.name:
            _remove_if_abandoned(host, container)
    for network in host.networks(labels()):
        run_id = _run_in(network.labels)
        if run_id is not None and is_unwanted(run_id, host_name):
            log.info("leftover_removed", network=network.name, run_id=run_id)
            containers.remove(host, run_id)
    snapshots.remove_unknown(host)


def is_elsewhere(run_id: int, host_name: str) -> bool:
    """Whether a run has its place on another host, or waits for one after this fell silent."""
    environment = TaskEnvironment.objects.select_related("host").filter(run__pk=run_id).first()
    if environment is None or environment.host_id == host_name:
        return False
    here = Host.objects.get(pk=host_name)
    return environment.host is None or environment.host.engine_id not in ("", here.engine_id)


def is_unwanted(run_id: int, host_name: str) -> bool:
    """Whether nothing on a host may carry this run's name: unknown, elsewhere or cleaned up."""
    if is_elsewhere(run_id, host_name):
        return True
    run = Run.objects.select_related("task_environment").filter(pk=run_id).first()
    if run is None:
        return True
    environment = run.task_environment
    return (
        lifecycle.is_over(run_id)
        and not run.keep_task_environment_running
        and (environment is None or environment.destroyed_at is not None)
    )


def _remove_if_abandoned(host: ContainerHost, container: ContainerSummary) -> None:
    """Remove a builder's container unless its builder, who holds the lock, is alive."""
    digest = container.name.rpartition(BUILDER)[2]
    if locks.is_free(f"image-{digest}"):
        log.info("leftover_removed", container=container.name)
        host.remove(ContainerName(container.name))


def _run_in(labels_of_it: Labels) -> int | None:
    label = labels_of_it.get(names.RUN, "")
    return int(label) if label.isdecimal() else None
