"""Waiting for what is asked of an environment, and passing on what is printed meanwhile."""

import time
from collections.abc import Iterator
from typing import Final

from django.db import connection

from runs.models import EnvironmentOrder, OutputChunk, StepOutput
from runs.states import Step
from vivaria.errors import Conflict, HostUnreachable

Kind = EnvironmentOrder.Kind

LOOK_EVERY_S: Final = 0.1
# Builds may take long; whoever has gone away should not hold a thread for ever.
FOLLOWED_FOR_S: Final = 4 * 3600.0
ANSWERED_WITHIN_S: Final = 60.0
HEADING: Final = "\x1b[34m=== {} ===\x1b[0m\n"
HEADINGS: Final = {
    Step.TASK_BUILD: "Building image",
    Step.TASK_SETUP_DATA: "Getting task setup data",
    Step.CONTAINER: "Starting container",
    Step.TASK_START: "Starting task",
}
OF_ORDERS: Final = {Kind.SCORE: "Scoring submission", Kind.TEST: "Running tests"}


def until_done(order: EnvironmentOrder, *, within_s: float = ANSWERED_WITHIN_S) -> EnvironmentOrder:
    """Wait until a worker has done what was asked.

    Raises:
        Conflict: it could not be done; says why.
        HostUnreachable: no worker has done it yet.
    """
    end = time.monotonic() + within_s
    while order.finished_at is None:
        if time.monotonic() > end:
            raise HostUnreachable(
                f"To {order.kind} {order.environment.container_name} takes more than "
                f"{within_s:g} seconds: its host's workers are busy or away. It goes on; look "
                "with viv task list --all-states --verbose"
            )
        _pause()
        order.refresh_from_db()
    if order.outcome == EnvironmentOrder.Outcome.FAILED:
        raise Conflict(order.detail)
    return order


def printed(order: EnvironmentOrder) -> Iterator[str]:
    """Pass on what is printed, under a heading for each step, until the order is finished."""
    told = _Told(order)
    end = time.monotonic() + FOLLOWED_FOR_S
    while True:
        order.refresh_from_db()
        yield from told.what_is_new()
        if order.finished_at is not None or time.monotonic() > end:
            return
        _pause()


class _Told:
    """What a reader of an order has been told so far."""

    def __init__(self, order: EnvironmentOrder) -> None:
        self._order = order
        self._step = 0
        self._chunk = 0
        self._is_noted = False
        self._is_at_line_start = True

    def what_is_new(self) -> Iterator[str]:
        steps = StepOutput.objects.filter(order=self._order, pk__gte=self._step)
        for step in steps.order_by("id"):
            if step.pk != self._step:
                self._step, self._is_noted = step.pk, False
                yield from self._line_start()
                yield HEADING.format(self._heading(step))
            chunks = OutputChunk.objects.filter(output=step, pk__gt=self._chunk).order_by("id")
            for chunk in chunks:
                self._chunk = chunk.pk
                self._is_at_line_start = chunk.text.endswith("\n")
                yield chunk.text
            if step.ended_at is not None and not self._is_noted:
                self._is_noted = True
                yield from self._line_start()
                if step.note:
                    yield f"{step.note}\n"

    def _line_start(self) -> Iterator[str]:
        if not self._is_at_line_start:
            yield "\n"
        self._is_at_line_start = True

    def _heading(self, step: StepOutput) -> str:
        kind = Kind(self._order.kind)
        said = OF_ORDERS.get(kind) or HEADINGS[Step(step.step)]
        return said if step.attempt == 1 else f"{said} (attempt {step.attempt})"


def _pause() -> None:
    """Wait a little; whoever waits needs no connection to the database meanwhile."""
    if not connection.in_atomic_block:
        connection.close()
    time.sleep(LOOK_EVERY_S)
