"""The other half of the places, so that two workers share them; and what is heard of at once."""

import signal
import time
from pathlib import Path

import pytest

from runs.states import BranchState, RunStatus
from tests.chaos.dying_workers import AGENT, COUNTED, numbers, outlives, worker
from tests.docker.workers.world import World, error_of, trunk
from workers import reconcile
from workers.faults import Place

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

PLACES = list(Place)[1::2]


@pytest.mark.parametrize("place", PLACES)
def test_a_run_outlives_the_worker_that_dies_after(
    world: World, gateway: str, tmp_path: Path, empty_redis: str, place: Place
) -> None:
    outlives(world, tmp_path, place)


def test_another_worker_takes_over_by_itself_within_45_seconds(
    world: World, gateway: str, tmp_path: Path, empty_redis: str
) -> None:
    run = world.placed(agent=AGENT)
    with worker(tmp_path, dies_at=Place.NETWORK_READY) as process:
        assert process.wait(timeout=90) == -signal.SIGKILL
    died_at = time.monotonic()
    with worker(tmp_path):
        while trunk(run).state == BranchState.NOT_STARTED:
            assert time.monotonic() - died_at < 45
            reconcile.ring_for_what_waits()
            time.sleep(1)
        while trunk(run).state != BranchState.SUBMITTED:
            assert time.monotonic() - died_at < 120
            time.sleep(0.5)
    run.refresh_from_db()
    assert run.status == RunStatus.SUBMITTED
    assert numbers(run) == list(range(COUNTED))


def test_a_worker_hears_of_a_container_that_is_removed(
    world: World, gateway: str, tmp_path: Path, empty_redis: str
) -> None:
    run = world.placed(agent={"main.py": "import time; time.sleep(3600)"})
    with worker(tmp_path):
        end = time.monotonic() + 60
        while trunk(run).state != BranchState.RUNNING:
            assert time.monotonic() < end
            time.sleep(0.2)
        time.sleep(2)
        world.remove(run)
        assert world.ended(run, within_s=10).state == BranchState.FAILED
    assert "removed" in error_of(run)[1]
