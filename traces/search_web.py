"""The page that searches all traces."""

from datetime import UTC, datetime
from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from traces import search
from traces.kinds import KINDS
from traces.search_filling import MOST_CHARS, SILENT_KINDS
from traces.search_inputs import number, wanted_of
from vivaria.clock import from_ms
from vivaria.errors import InvalidInput
from vivaria.models import User


@login_required
@require_GET
def search_page(request: HttpRequest) -> HttpResponse:
    """Serve `/search/`."""
    query: Any = request.GET
    text = query.get("q", "")
    fresh = search.freshness()
    context: dict[str, Any] = {
        "page": "search",
        "text": text,
        "kinds": [kind for name, kind in KINDS.items() if name not in SILENT_KINDS],
        "chosen": query.getlist("kind"),
        "asked": {n: query.get(n, "") for n in ("task", "agent", "since", "until", "run")},
        "fresh": fresh,
        "fresh_s": (datetime.now(UTC) - from_ms(fresh.fresh_at)).total_seconds(),
        "most_chars": MOST_CHARS,
    }
    status = 200
    if text.strip():
        try:
            found = search.search(
                cast(User, request.user), wanted_of(query), before=number(query, "before")
            )
        except InvalidInput as problem:
            context["problem"], status = str(problem), problem.status
        else:
            context |= {"found": found, "older": _older(request, found.next_before)}
    return render(request, "traces/search.html", context, status=status)


def _older(request: HttpRequest, before: int | None) -> str:
    if before is None:
        return ""
    params = request.GET.copy()
    params["before"] = str(before)
    return f"?{params.urlencode()}"
