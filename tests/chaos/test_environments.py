"""A worker is killed at each step of an environment's life; another one finishes, or cleans up."""

import pytest
from django.db.models.functions import Now

from runs import environments
from runs.environments import NewEnvironment
from runs.models import EnvironmentOrder, TaskEnvironment
from tests.chaos.test_late_steps import die_at
from tests.docker.workers.families import family
from tests.docker.workers.world import World
from tests.uploads import uploaded
from vivaria.config import config
from vivaria.queue import Job
from workers import environment_upkeep
from workers import environments as worker
from workers.docker.names import labels_of_environment
from workers.docker.types import ContainerName
from workers.faults import EnvironmentPlace

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

Kind = EnvironmentOrder.Kind
COUNTS_ITS_STARTS = """
    start = staticmethod(lambda t: open("/root/starts", "a").write("x") and None)
    score = staticmethod(lambda t, submission: 0.25)
"""


def goes_on(world: World, environment: TaskEnvironment) -> None:
    """Be the worker for which the reconciler rings once the lease of the dead one is over."""
    TaskEnvironment.objects.update(lease_expires_at=Now())
    assert environments.waiting(["local"]) == [(environment.pk, "local")]
    worker.serve(environment.pk, host=world.engine)


def left_of(world: World, environment: TaskEnvironment) -> int:
    labels = labels_of_environment(config().instance, environment.pk)
    return len([*world.engine.containers(labels), *world.engine.networks(labels)])


def test_an_environment_outlives_the_workers_that_die_at_it(world: World, empty_redis: str) -> None:
    source = uploaded(family(COUNTS_ITS_STARTS), user=world.user)
    wanted = NewEnvironment(user=world.user, task_id="odd/main", task_source=source)
    environment = environments.start(wanted)
    name = ContainerName(environment.container_name)
    for place in (EnvironmentPlace.CREATED, EnvironmentPlace.STARTED):
        die_at(place, str(Job.SERVE_ENVIRONMENT), environment_id=environment.pk)
    goes_on(world, environment)
    start = environment.orders.get(kind=Kind.START)
    assert (start.outcome, start.attempts) == ("done", 3)
    # Of the container that there is, not of those that were begun before.
    assert world.engine.get_file(name, "/root/starts", max_bytes=99) == b"x"

    score = environments.ask(environment, Kind.SCORE, user=None, wanted={"submission": "x"})
    die_at(EnvironmentPlace.USED, str(Job.SERVE_ENVIRONMENT), environment_id=environment.pk)
    goes_on(world, environment)
    score.refresh_from_db()
    assert (score.result or {})["number"] == 0.25

    environments.ask(environment, Kind.DESTROY, user=None)
    die_at(EnvironmentPlace.REMOVED, str(Job.SERVE_ENVIRONMENT), environment_id=environment.pk)
    goes_on(world, environment)
    environment.refresh_from_db()
    assert environment.destroyed_at is not None
    assert left_of(world, environment) == 0


def test_a_start_at_which_three_workers_died_is_cleaned_up_and_says_so(
    world: World, empty_redis: str
) -> None:
    source = uploaded(family(COUNTS_ITS_STARTS), user=world.user)
    wanted = NewEnvironment(user=world.user, task_id="odd/main", task_source=source)
    environment = environments.start(wanted)
    die_at(EnvironmentPlace.CREATED, str(Job.SERVE_ENVIRONMENT), environment_id=environment.pk)
    environment.orders.update(attempts=3)
    goes_on(world, environment)
    start = environment.orders.get(kind=Kind.START)
    assert (start.outcome, "died 3 times" in start.detail) == ("failed", True)
    environment.refresh_from_db()
    assert environment.destroyed_at is not None
    assert left_of(world, environment) == 0


def test_a_host_that_is_given_up_ends_a_start_and_says_why(world: World, empty_redis: str) -> None:
    source = uploaded(family(COUNTS_ITS_STARTS), user=world.user)
    wanted = NewEnvironment(user=world.user, task_id="odd/main", task_source=source)
    environment = environments.start(wanted)
    assert environment.host is not None
    environment_upkeep.give_up(environment.host, because="Docker host local is silent.")
    start = environment.orders.get(kind=Kind.START)
    assert (start.outcome, start.detail) == ("failed", "Docker host local is silent.")
    goes_on(world, environment)
    environment.refresh_from_db()
    assert environment.destroyed_at is not None
