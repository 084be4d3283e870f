"""The page of task environments without an agent."""

from typing import Any, Final, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from runs import environment_rows, environments
from runs.models import EnvironmentOrder
from vivaria.errors import NotFound, VivariaError
from vivaria.models import User

Kind = EnvironmentOrder.Kind
EXAMPLE_COMMAND: Final = (
    "script/viv task start count_odds/main --task-family-path examples/tasks/count_odds"
)
ACTIONS: Final = {"stop": Kind.STOP, "restart": Kind.RESTART, "destroy": Kind.DESTROY}


@login_required
@require_GET
def environments_list(request: HttpRequest) -> HttpResponse:
    """Serve `/environments/`: yours, or with `all` everybody's."""
    return _page(request)


@login_required
@require_POST
def change(request: HttpRequest, name: str, action: str) -> HttpResponse:
    """Ask for a change; the page shows what becomes of it."""
    if action not in ACTIONS:
        raise NotFound(f"An environment can be {', '.join(ACTIONS)}ed, not {action[:40]!r}.")
    user = cast(User, request.user)
    kind = ACTIONS[action]
    try:
        find = environments.find if kind == Kind.RESTART else environments.find_to_end
        environments.ask(find(name, user=user), kind, user=user)
    except VivariaError as problem:
        return _page(request, problem=str(problem), status=problem.status)
    if request.headers.get("HX-Request"):
        return _page(request)
    return redirect("environments")


def _page(request: HttpRequest, *, problem: str = "", status: int = 200) -> HttpResponse:
    user = cast(User, request.user)
    shows_all = "all" in request.GET
    found = environments.listed(user=None if shows_all else user, with_stopped=True)
    rows = environment_rows.shown(found, to=user)
    context: dict[str, Any] = {
        "page": "environments",
        "rows": rows,
        "shows_all": shows_all,
        "is_changing": any(row.is_changing for row in rows),
        "problem": problem,
        "example_command": EXAMPLE_COMMAND,
    }
    is_part = bool(request.headers.get("HX-Request"))
    template = "environments/_rows.html" if is_part else "environments/list.html"
    # htmx swaps what is said of a refusal, too.
    return render(request, template, context, status=200 if is_part else status)
