"""Each kind of process is killed while a run is under way; the run still ends right."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instance import EXAMPLES, Instance, running_instance

pytestmark = [pytest.mark.docker, pytest.mark.timeout(400)]

COUNTER = Path(__file__).parent / "agents" / "counter"
KINDS = ["site", "gateway", "worker-control", "worker-local", "beat", "redis", "postgres"]


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance() as made:
        made.wait_for_end(made.start_run(EXAMPLES / "agents" / "always_two"))  # builds the images
        yield made


def kill(instance: Instance, program: str) -> None:
    """End it without a word; the supervisor starts it again. Redis comes back empty."""
    os.kill(instance.pid(program), signal.SIGKILL)


def numbers(instance: Instance, run_id: int) -> list[int]:
    """What the counter logged, in the order of the trace."""
    contents = [entry["content"] for entry in instance.trace(run_id)]
    return [c["content"][0]["number"] for c in contents if c["type"] == "log"]


def wait_until_it_counts(instance: Instance, run_id: int) -> None:
    end = time.monotonic() + 60
    while len(numbers(instance, run_id)) < 40:
        assert time.monotonic() < end, "the agent does not count"
        time.sleep(0.2)


def wait_until_it_started(instance: Instance, run_id: int) -> None:
    end = time.monotonic() + 60
    while instance.run(run_id)["started_at"] is None:
        assert time.monotonic() < end, "the agent does not start"
        time.sleep(0.1)


def wait_until_nothing_is_left(instance: Instance, run_id: int) -> None:
    end = time.monotonic() + 20
    while instance.containers(run_id):
        assert time.monotonic() < end, "the run's container is still there"
        time.sleep(0.1)


@pytest.mark.parametrize("program", KINDS)
def test_a_run_outlives_the_death_of(instance: Instance, program: str) -> None:
    run_id = instance.start_run(COUNTER)
    wait_until_it_counts(instance, run_id)
    kill(instance, program)
    instance.wait_until_ready()
    run = instance.wait_for_end(run_id)
    assert (run["status"], run["score"]) == ("submitted", 1.0)
    assert numbers(instance, run_id) == list(range(160))
    instance.wait_until_cleaned_up(run_id)


def test_a_run_outlives_the_death_of_everything(instance: Instance) -> None:
    run_id = instance.start_run(COUNTER)
    wait_until_it_counts(instance, run_id)
    for program in KINDS:
        kill(instance, program)
    instance.wait_until_ready()
    run = instance.wait_for_end(run_id)
    assert (run["status"], run["score"]) == ("submitted", 1.0)
    assert numbers(instance, run_id) == list(range(160))


def test_a_sleeping_agent_ends_in_time_although_the_timer_was_killed(instance: Instance) -> None:
    sleeper = Path(__file__).parent / "agents" / "sleeper"
    run_id = instance.start_run(sleeper, **{"max-total-seconds": "4"})
    wait_until_it_started(instance, run_id)
    kill(instance, "worker-control")

    run = instance.wait_for_end(run_id)

    assert (run["status"], run["fatal_error"]["from"]) == ("usage-limits", "usageLimits")
    assert run["completed_at"] - run["started_at"] < 1000 * (4 + 5)
    wait_until_nothing_is_left(instance, run_id)


def test_all_that_an_agent_printed_is_there_when_its_run_is_over(instance: Instance) -> None:
    run_id = instance.start_run(Path(__file__).parent / "agents" / "printer")
    instance.wait_for_end(run_id)
    instance.wait_until_cleaned_up(run_id)  # its record is closed before its container goes
    printed = instance.viv("logs", str(run_id), "--step", "agent")
    assert [f"line {n}" for n in range(1000)] == [x for x in printed.splitlines() if "line" in x]
    assert "the last word" in printed
    agent = next(step for step in instance.run(run_id)["steps"] if step["step"] == "agent")
    assert agent["exit_status"] == 0
