"""A worker is killed after each step of a fork and of a rescoring; another one finishes, once."""

import signal
import subprocess
import sys

import pytest
from django.db.models.functions import Now

from runs import rescorings
from runs.models import AgentBranch, Rescoring, Run, Snapshot, TaskEnvironment, Verdict
from tests.docker.workers.families import family
from tests.docker.workers.fixtures import environment_of_process
from tests.docker.workers.test_late_branches import AGENT, SCORES_DONE, begun, snapshots_taken
from tests.docker.workers.world import World, trunk
from traces import forks
from traces.models import AgentState
from workers import cleanup, rescoring
from workers import snapshots as kept_files
from workers.docker.types import ImageName
from workers.faults import LatePlace, Place

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(400),
    pytest.mark.usefixtures("keeping_files"),
]

# One step, as a worker does it, without Celery's start.
STEP = """
import django; django.setup()
from workers import tasks
tasks.{task}({ids})
"""
OF_FORKS = (
    Place.LEASE_TAKEN,
    LatePlace.BRANCH_CONTAINER_CREATED,
    LatePlace.BRANCH_CONTAINER_READY,
    LatePlace.LATE_BRANCH_BEGUN,
    LatePlace.LATE_AGENT_STARTED,
)
OF_RESCORINGS = (LatePlace.RESCORING_CONTAINER_READY, LatePlace.RESCORER_ANSWERED)
OF_SNAPSHOTS = (LatePlace.STATE_FILES_TAKEN,)


def die_at(place: str, task: str, **ids: int) -> None:
    """Be a worker that is killed just after `place`, then let its leases run out."""
    words = ", ".join(f"{name}={value}" for name, value in ids.items())
    environment = {**environment_of_process(), "VIVARIA_FAULT_KILL_AT": place}
    environment["DJANGO_SETTINGS_MODULE"] = "vivaria.settings"
    code = STEP.format(task=task, ids=words)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    for model in (Run, AgentBranch, Rescoring, TaskEnvironment):
        model._default_manager.update(lease_expires_at=Now())


def test_every_late_place_is_tried() -> None:
    assert {*OF_FORKS, *OF_RESCORINGS, *OF_SNAPSHOTS} >= set(LatePlace)


def test_what_a_worker_began_that_died_is_finished_once(
    world: World, gateway: str, empty_redis: str
) -> None:
    with snapshots_taken(world):
        run = world.set_up(
            "odd/main", family=family(SCORES_DONE), agent=AGENT, snapshot_on_save_state=True
        )
        world.ended(run)
    die_at(Place.SNAPSHOT_TAKEN, "clean_up_run", run_id=run.pk)
    cleanup.clean_up(run.pk, host=world.engine)
    assert world.left_of(run) == []
    saved = AgentState.objects.get(run=run).index

    for place in OF_FORKS:
        branch = forks.fork(run_id=run.pk, index=saved)
        die_at(place, "start_branch", branch_id=branch.pk)
        assert begun(world, branch).submission == "1 first calm", place
        assert branch.verdicts.count() == 1, place
        assert world.left_of(run) == [], place

    for place in OF_RESCORINGS:
        asked = rescorings.ask(run_id=run.pk, number=0, user=world.user)
        die_at(place, "rescore", rescoring_id=asked.pk)
        rescoring.rescore(asked.pk, host=world.engine)
        assert Verdict.objects.filter(rescoring=asked).count() == 1, place
    assert trunk(run).score == 1.0


def test_files_of_a_state_are_kept_once_although_a_worker_died(
    world: World, empty_redis: str
) -> None:
    run = world.set_up()
    wanted = Snapshot.objects.create(
        run=run, key="entry-7", entry_index=7, container_name=world.name(run), host_id="local"
    )
    die_at(LatePlace.STATE_FILES_TAKEN, "take_snapshot", snapshot_id=wanted.pk)
    kept_files.take(wanted.pk, host=world.engine)

    wanted.refresh_from_db()
    assert wanted.state == Snapshot.State.READY
    assert world.engine.has_image(ImageName(wanted.image))
