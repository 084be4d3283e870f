"""Everything is stopped and started with runs under way."""

from collections.abc import Iterator

import pytest

from tests.chaos.test_processes import COUNTER, numbers, wait_until_it_started
from tests.instance import Instance, running_instance

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]


@pytest.fixture
def instance() -> Iterator[Instance]:
    with running_instance() as made:
        yield made


def test_five_runs_outlive_a_stop_and_a_start_of_everything(instance: Instance) -> None:
    """What script/down and script/up do, at any moment of a run: some are set up, some count."""
    run_ids = [instance.start_run(COUNTER) for _ in range(5)]
    wait_until_it_started(instance, run_ids[0])
    instance.manage("down")
    instance.manage("up", "--detach")
    for run_id in run_ids:
        run = instance.wait_for_end(run_id)
        assert (run["status"], run["score"]) == ("submitted", 1.0)
        assert numbers(instance, run_id) == list(range(160))
