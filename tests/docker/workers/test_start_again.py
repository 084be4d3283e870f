"""A run's container that was stopped is started again on request."""

import pytest

from runs.models import TaskEnvironment
from tests.docker.workers.world import World
from workers import containers
from workers.docker import names
from workers.docker.types import ContainerName

pytestmark = pytest.mark.docker


def test_a_stopped_container_runs_again_with_its_files_and_the_relay(world: World) -> None:
    run = world.set_up()
    name: ContainerName = world.name(run)
    assert world.engine.exec(name, ["touch", "/root/kept"], timeout_s=10).ok
    world.engine.kill(name)
    TaskEnvironment.objects.filter(run=run).update(is_container_running=False)

    for _ in range(2):  # said twice is done once
        containers.start_again(world.engine, run.pk)

    look = ["python3", "-c", f"import socket; socket.gethostbyname({names.GATEWAY_ALIAS!r})"]
    assert world.engine.exec(name, ["test", "-e", "/root/kept"], timeout_s=10).ok
    assert world.engine.exec(name, look, timeout_s=10).ok
    assert TaskEnvironment.objects.get(run=run).is_container_running

    world.engine.remove(name)
    TaskEnvironment.objects.filter(run=run).update(is_container_running=False)
    containers.start_again(world.engine, run.pk)  # gone: no error, and nothing is claimed
    assert not TaskEnvironment.objects.get(run=run).is_container_running
