"""A worker that dies after one of its steps, and another one that finishes."""

import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db.models.functions import Now

from runs import dispatch
from runs.models import AgentBranch, Run, TaskEnvironment
from runs.states import BranchState
from tests.docker.workers.families import family
from tests.docker.workers.fixtures import environment_of_process
from tests.docker.workers.world import World
from traces.models import TraceEntry
from workers import cleanup, run_setup
from workers.faults import Place

COUNTER = """
import asyncio
from pyhooks import Hooks

async def main(hooks):
    for number in range(100):
        hooks.log({"number": number})
        await asyncio.sleep(0.02)
    await hooks.submit("2")

Hooks().main(main)
"""
AGENT = {"main.py": COUNTER}
SCORES_TWO = "    score = lambda t, submission: float(submission == '2')"
COUNTED = 100
WHILE_BUILDING = (
    Place.TASK_IMAGE_BUILDING,
    Place.TASK_IMAGE_READY,
    Place.SETUP_DATA_READY,
    Place.AGENT_IMAGE_READY,
)


@contextmanager
def worker(tmp_path: Path, *, dies_at: str = "") -> Iterator["subprocess.Popen[bytes]"]:
    """A real worker of the local host, which dies at `dies_at`."""
    command = [sys.executable, "-m", "celery", "--app", "vivaria.celery:app", "worker"]
    command += ["--pool", "threads", "--concurrency", "4", "--queues", "host.local"]
    command += ["--without-gossip", "--without-mingle"]
    environment = {**environment_of_process(), "VIVARIA_FAULT_KILL_AT": dies_at}
    if dies_at == Place.SNAPSHOT_TAKEN:
        environment["VIVARIA_KEEP_FINAL_FILES"] = "true"
    with (tmp_path / f"worker-{secrets.token_hex(2)}.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


def forget_leases(run: Run) -> None:
    """Let the leases of a worker that is dead run out now instead of in twenty seconds."""
    Run.objects.filter(pk=run.pk).update(lease_expires_at=Now())
    AgentBranch.objects.filter(run=run).update(lease_expires_at=Now())


def finish(world: World, run: Run) -> AgentBranch:
    """Be the worker that goes on where the other one died."""
    forget_leases(run)
    run_setup.set_up(run.pk, host=world.engine)
    branch = world.ended(run, within_s=60)
    cleanup.clean_up(run.pk, host=world.engine)
    return branch


def numbers(run: Run) -> list[int]:
    """What the counter logged, in the order of its trace."""
    entries = TraceEntry.objects.filter(run=run, type="log").order_by("called_at", "id")
    return [entry.content["content"][0]["number"] for entry in entries]


def outlives(world: World, tmp_path: Path, place: Place) -> None:
    """Let a run's worker die at `place`; fails the test unless the run ends right, once."""
    salt = secrets.token_hex(4) if place in WHILE_BUILDING else "no need"
    body = f"{SCORES_TWO}  # built anew: {salt}"
    if place is Place.INTERMEDIATE_SCORE_TAKEN:
        body += "\n    intermediate_score = lambda t: {'score': 0.5}"
    run = world.queued("odd/main", family=family(body), agent=AGENT)
    dispatch.dispatch()
    with worker(tmp_path, dies_at=place) as process:
        assert process.wait(timeout=90) == -signal.SIGKILL
    branch = finish(world, run)
    assert (branch.state, branch.score) == (BranchState.SUBMITTED, 1.0)
    assert numbers(run) == list(range(COUNTED))
    assert AgentBranch.objects.filter(run=run).count() == 1
    assert branch.verdicts.count() == 1
    taken = TraceEntry.objects.filter(run=run, type="intermediateScore")
    assert taken.count() == (2 if place is Place.INTERMEDIATE_SCORE_TAKEN else 0)
    assert world.left_of(run) == []
    assert TaskEnvironment.objects.get(run=run).destroyed_at is not None
