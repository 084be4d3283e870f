"""A worker is killed after half of its steps; another one finishes, and nothing is done twice."""

from pathlib import Path

import pytest

from tests.chaos.dying_workers import outlives
from tests.docker.workers.world import World
from workers.faults import Place

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

PLACES = list(Place)[::2]


@pytest.mark.parametrize("place", PLACES)
def test_a_run_outlives_the_worker_that_dies_after(
    world: World, gateway: str, tmp_path: Path, empty_redis: str, place: Place
) -> None:
    outlives(world, tmp_path, place)
