"""Which waiting run goes next, where to, and in words what holds the others."""

from typing import Final

from django.db import connection, transaction

from runs import gpus, lifecycle, placement, queue_moves, waiting
from runs.models import RunBatch
from runs.placement import Room
from runs.states import WAITING, ErrorSource, FailureClass, RunStatus
from runs.waiting import Line, Shares

# Any constants will do, so long as nothing else of ours locks them.
DISPATCH_LOCK: Final = 0x7669_7661
NEXT_IN_LINE_LOCK: Final = 0x7669_7662
# Runs that can never be placed are ended so many at a look, so that a look stays short.
ENDED_AT_ONCE: Final = 50


def dispatch() -> int:
    """Place each waiting run that may start. Returns how many were placed.

    One dispatcher works at a time and one waits; whoever comes while one waits may leave, because
    that one has not looked at the queue yet. So a burst of hints costs two looks, and none is lost.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [NEXT_IN_LINE_LOCK])
        if cursor.fetchone() != (True,):
            return 0
        try:
            with transaction.atomic():
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [DISPATCH_LOCK])
                cursor.execute("SELECT pg_advisory_unlock(%s)", [NEXT_IN_LINE_LOCK])
                return _dispatch()
        finally:
            # Given back above, unless that was never reached; a second time does no harm.
            cursor.execute("SELECT pg_advisory_unlock_all()")


def _dispatch() -> int:
    _hold_limits_still()
    rooms = placement.rooms()
    lines = waiting.lines(places=sum(room.free_runs for room in rooms))
    possible = [line for line in lines if not _ended_as_impossible(line, rooms)]
    shares = Shares.now()
    placed = _fill(possible, rooms, shares)
    for line in possible:
        if line.size and (gate := _gate(line, rooms, shares)):
            line.hold(*gate)
    return placed


def _hold_limits_still() -> None:
    """Let no limit of a batch be changed between the look at it and the taking of its runs."""
    batches = RunBatch.objects.filter(runs__status__in=WAITING).order_by("name").distinct()
    names = list(batches.values_list("name", flat=True))
    locked = RunBatch.objects.filter(name__in=names).order_by("name")
    list(locked.select_for_update(no_key=True).values_list("name", flat=True))


def _fill(lines: list[Line], rooms: list[Room], shares: Shares) -> int:
    placed = 0
    can_go = [line for line in lines if line.heads]
    while can_go:
        line = shares.next_of(can_go)
        # Nothing gets free during a pass, so a line that is held now is held to its end.
        if _gate(line, rooms, shares) is None and _place_head(line, rooms):
            shares.add(line.user_id, line.batch)
            placed += 1
            is_open = bool(line.heads)
        else:
            is_open = False
        if not is_open:
            can_go.remove(line)
    return placed


def _place_head(line: Line, rooms: list[Room]) -> bool:
    """Place the first of a line that still waits; False where there is none."""
    room = placement.choose(line.needs, rooms)
    while room is not None and line.heads:
        run = line.heads.popleft()
        line.size -= 1
        if queue_moves.place(run.run_id, host=room.host):
            gpus.hold(run.environment_id, host=room.host, needs=line.needs)
            room.take(line.needs)
            return True
    return False


def _gate(line: Line, rooms: list[Room], shares: Shares) -> tuple[RunStatus, str] | None:
    """What holds the runs of a line; None where the next of them may start."""
    active = shares.of_batch[line.batch]
    if line.limit == 0:
        because = f"batch {line.batch} is stopped: its limit is 0"
        return RunStatus.CONCURRENCY_LIMITED, because
    if line.limit is not None and active >= line.limit:
        because = f"batch {line.batch} is at {active} of {line.limit}"
        return RunStatus.CONCURRENCY_LIMITED, because
    if placement.choose(line.needs, rooms) is None:
        return RunStatus.QUEUED, placement.why_not(line.needs, rooms)
    return None


def _ended_as_impossible(line: Line, rooms: list[Room]) -> bool:
    """End runs that no host could ever take, so that nobody waits for them in vain."""
    why = placement.impossible(line.needs, rooms)
    if why is None:
        return False
    for run_id in line.run_ids()[:ENDED_AT_ONCE]:
        lifecycle.fail_run(
            run_id,
            source=ErrorSource.SERVER_OR_TASK,
            failure_class=FailureClass.TASK,
            detail=why,
        )
    return True
