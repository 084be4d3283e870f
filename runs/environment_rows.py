"""Environments without an agent as pages and REST show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import Prefetch, QuerySet

from runs.models import EnvironmentOrder, TaskEnvironment
from vivaria.models import User

Kind = EnvironmentOrder.Kind
LONGEST_LIST: Final = 200
# What an environment is said to be while the first thing asked of it is under way.
DOING: Final = {
    Kind.START: "starting",
    Kind.RESTART: "restarting",
    Kind.STOP: "stopping",
    Kind.DESTROY: "being destroyed",
    Kind.TEST: "testing",
    Kind.SCORE: "scoring",
}


@dataclass(frozen=True, slots=True)
class EnvironmentRow:
    """One environment as a person sees it."""

    name: str
    task_id: str
    # running, stopped or destroyed, or what is done to it at present.
    state: str
    is_changing: bool
    owner: str
    users: Sequence[str]
    host: str | None
    created_at: int
    # Of the last thing that was asked and could not be done.
    problem: str
    may_use: bool
    may_end: bool


def shown(found: QuerySet[TaskEnvironment], *, to: User) -> list[EnvironmentRow]:
    """Read the newest of `found`, with what their people may do."""
    orders = EnvironmentOrder.objects.order_by("-id")
    whole = found.select_related("user").prefetch_related(
        Prefetch("orders", queryset=orders), "users__user"
    )
    return [_row(each, to) for each in whole[:LONGEST_LIST]]


def row_of(environment: TaskEnvironment, *, to: User) -> EnvironmentRow:
    """Read one environment anew."""
    return shown(TaskEnvironment.objects.filter(pk=environment.pk), to=to)[0]


def _row(environment: TaskEnvironment, person: User) -> EnvironmentRow:
    orders = list(environment.orders.all())
    people = [each.user for each in environment.users.all()]
    doing = _doing(orders)
    may_use = person in people
    return EnvironmentRow(
        name=environment.container_name,
        task_id=f"{environment.task_family_name}/{environment.task_name}",
        state=doing or _state(environment),
        is_changing=doing is not None,
        owner=environment.user.username,
        users=sorted(each.username for each in people),
        host=environment.host_id,
        created_at=environment.created_at,
        problem=_problem(orders),
        may_use=may_use,
        may_end=may_use or person.is_staff,
    )


def _doing(orders: Sequence[EnvironmentOrder]) -> str | None:
    kinds = [Kind(order.kind) for order in orders if order.finished_at is None]
    if Kind.DESTROY in kinds:
        return DOING[Kind.DESTROY]
    return next((DOING[kind] for kind in reversed(kinds) if kind in DOING), None)


def _state(environment: TaskEnvironment) -> str:
    if environment.destroyed_at is not None:
        return "destroyed"
    return "running" if environment.is_container_running else "stopped"


def _problem(orders: Sequence[EnvironmentOrder]) -> str:
    """What became of the last change; what scorers and tests said is their askers' alone."""
    changes = (order for order in orders if order.kind in (Kind.STOP, Kind.RESTART, Kind.START))
    last = next((order for order in changes if order.finished_at is not None), None)
    return last.detail if last else ""
