"""Pages of runs: the list, and one run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from runs import lifecycle, selectors
from runs.looks import Look, look_of
from runs.models import Run
from runs.output_view import output_view
from runs.permissions import check_may_kill
from runs.run_selectors import OF_A_BRANCH, run_view, whole_output
from runs.selectors import RunFilter, RunRow, StatusCount
from runs.states import ACTIVE, WAITING, RunStatus, Step
from vivaria import words
from vivaria.errors import InvalidInput, NotFound, VivariaError
from vivaria.models import User
from vivaria.run_readers import barred_models
from vivaria.streams import stream_url

EXAMPLE_COMMAND: Final = (
    "script/viv run count_odds/main --task-family-path examples/tasks/count_odds "
    "--agent-path examples/agents/always_two"
)
LONGEST_QUEUE_STRIP: Final = 24
SHOWN_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Chip:
    """One thing that the list is filtered by, and the address without it."""

    name: str
    value: str
    without: str
    param: str = ""


@dataclass(frozen=True, slots=True)
class StatusLink:
    """A status in the row of counts."""

    look: Look
    text: str
    url: str
    url_adding: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class View:
    """A filter that has a name."""

    name: str
    url: str
    is_current: bool


@login_required
@require_GET
def runs_list(request: HttpRequest) -> HttpResponse:
    """Serve `/` and `/runs/`."""
    if gone_to := request.GET.get("go", "").strip().removeprefix("#"):
        if gone_to.isascii() and gone_to.isdigit():
            return redirect("run", run_id=int(gone_to))
        return redirect(f"{reverse('runs')}?{urlencode({'q': gone_to})}")
    wanted = _filter_of(request)
    page = selectors.runs_page(
        wanted, before=_number(request, "before"), after=_number(request, "after")
    )
    newest = page.rows[0].id if page.rows else 0
    follows = "before" not in request.GET and "after" not in request.GET
    context = _counts_context(request, wanted) | {
        "page": "runs",
        "page_of_runs": page,
        "chips": _chips(request, wanted),
        "views": _views(request, wanted),
        "usernames": selectors.usernames(),
        "follows": follows,
        "live_url": stream_url(request),
        "changes_url": f"{reverse('runs-changes')}{_query_of(request, newest=newest)}",
        "example_command": EXAMPLE_COMMAND,
    }
    return render(request, "runs/list.html", context)


@login_required
@require_GET
def runs_changes(request: HttpRequest) -> JsonResponse:
    """Answer a runs page that is open: its rows as they are now, and those that came since."""
    wanted = _filter_of(request)
    ids = [int(text) for text in request.GET.get("ids", "").split(",") if text.isdigit()]
    rows = selectors.rows_of(wanted, ids[:SHOWN_AT_ONCE])
    fresh = selectors.newer_than(wanted, _number(request, "newest") or 0)
    context = _counts_context(request, wanted)
    return JsonResponse(
        {
            "rows": {row.id: _row_html(row) for row in rows},
            "fresh": [{"id": row.id, "html": _row_html(row)} for row in fresh],
            "sections": {
                "queue": render_to_string("runs/_queue.html", context),
                "statuses": render_to_string("runs/_statuses.html", context, request=request),
            },
            "live": stream_url(request),
        }
    )


@login_required
@require_POST
def kill_run(request: HttpRequest, run_id: int) -> HttpResponse:
    """End a run because the person who asks wants it to end."""
    run = Run.objects.select_related("user").filter(pk=run_id).first()
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    try:
        check_may_kill(cast(User, request.user), run)
        lifecycle.kill(run_id, by=request.user.get_username())
    except VivariaError as problem:
        return JsonResponse({"problem": str(problem)}, status=problem.status)
    return JsonResponse({"killed": run_id})


@login_required
@require_GET
def old_run_link(request: HttpRequest) -> HttpResponse:
    """Serve `/run/`: the script there reads the run's id from the fragment (`/run/#42/e=7`)."""
    return render(request, "runs/old_link.html")


@login_required
@require_GET
def run_page(request: HttpRequest, run_id: int) -> HttpResponse:
    """Serve one run's page."""
    view = run_view(run_id, _number(request, "b") or 0)
    context = {"page": "run", "run": view, "live_url": stream_url(request, run_id=run_id)}
    return render(request, "runs/detail.html", context)


@login_required
@require_GET
def run_changes(request: HttpRequest, run_id: int) -> JsonResponse:
    """Answer a run page that is open with its parts as they are now."""
    context = {"run": run_view(run_id, _number(request, "b") or 0)}
    parts = (
        *("head", "facts", "waits", "usage", "notice", "result", "scores", "notes", "history"),
        *("setup", "tabs", "branches"),
    )
    return JsonResponse(
        {
            "sections": {
                f"run-{part}": render_to_string(f"runs/_{part}.html", context, request=request)
                for part in parts
            },
            "status": context["run"].status,
            "is_over": context["run"].is_over,
            "live": stream_url(request, run_id=run_id),
        }
    )


@login_required
@require_GET
def step_output(request: HttpRequest, run_id: int, step: str) -> HttpResponse:
    """What a step printed: the new lines after `after`, or with `all` the whole as a file."""
    if step not in Step.values:
        raise NotFound(f"There is no step {step[:40]!r}.")
    # Only what an agent or its score printed is a branch's own.
    number = (_number(request, "b") or 0) if step in OF_A_BRANCH else 0
    if "all" in request.GET:
        whole = whole_output(run_id, Step(step), number)
        response = HttpResponse(whole, content_type="text/plain; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="run-{run_id}-{step}.txt"'
        return response
    view = output_view(
        run_id,
        Step(step),
        number=number,
        after=_number(request, "after") or 0,
        carried=request.GET.get("carried", "")[:200],
        attempt=_number(request, "attempt"),
    )
    return JsonResponse(
        {
            "html": render_to_string("runs/_output_lines.html", {"output": view}),
            "after": view.after,
            "carried": view.carried,
            "attempt": view.attempt,
            "is_cut": view.is_cut,
            "is_open": view.is_open,
            "note": view.note,
            "size": words.size(view.chars) if view.chars else "",
        }
    )


def _row_html(row: RunRow) -> str:
    return render_to_string("runs/_row.html", {"row": row}).strip()


def _counts_context(request: HttpRequest, wanted: RunFilter) -> dict[str, Any]:
    counts = selectors.status_counts(wanted)
    everything = (
        counts if wanted.is_empty else selectors.status_counts(RunFilter(barred=wanted.barred))
    )
    return _queue_context(everything) | {
        "wanted": wanted,
        "total": _total(counts),
        "counts": [
            _status_link(request, wanted, each)
            for each in counts
            if each.count or each.status in wanted.statuses
        ],
        "all_url": _query_of(request, status=None),
        "any_runs": any(each.count for each in everything),
    }


def _queue_context(counts: Sequence[StatusCount]) -> dict[str, Any]:
    by_status = {each.status: each.count for each in counts}
    slots = selectors.slots()
    busy = {status: by_status[status] for status in ACTIVE}
    marks = [status.value for status in reversed(ACTIVE) for _ in range(busy[status])]
    words = [f"{n} {look_of(status).word.lower()}" for status, n in busy.items() if n]
    return {
        "slots": slots,
        "busy_total": sum(busy.values()),
        "busy_words": ", ".join(reversed(words)),
        "slot_marks": [*marks, *[""] * (slots.total - len(marks))][:LONGEST_QUEUE_STRIP],
        "waiting": sum(by_status[status] for status in WAITING),
    }


def _total(counts: Sequence[StatusCount]) -> str:
    some = "+" if any(each.is_more for each in counts) else ""
    return f"{sum(each.count for each in counts):,}{some}"


def _status_link(request: HttpRequest, wanted: RunFilter, counted: StatusCount) -> StatusLink:
    status = counted.status
    others = [each.value for each in wanted.statuses if each != status]
    is_current = status in wanted.statuses
    both = others if is_current else [*others, status.value]
    return StatusLink(
        look=look_of(status),
        text=f"{counted.count:,}{'+' if counted.is_more else ''}",
        url=_query_of(request, status=None if is_current and not others else [status.value]),
        url_adding=_query_of(request, status=both or None),
        is_current=is_current,
    )


def _chips(request: HttpRequest, wanted: RunFilter) -> list[Chip]:
    chips = [
        Chip("status", look_of(status).word.lower(), _without_status(request, wanted, status))
        for status in wanted.statuses
    ]
    for name, param, value in (
        ("task", "task", wanted.task),
        ("by", "user", wanted.user),
        ("batch", "batch", wanted.batch),
    ):
        if value:
            chips.append(Chip(name, value, _query_of(request, **{param: None}), param))
    return chips


def _without_status(request: HttpRequest, wanted: RunFilter, status: RunStatus) -> str:
    others = [each.value for each in wanted.statuses if each != status]
    return _query_of(request, status=others or None)


def _views(request: HttpRequest, wanted: RunFilter) -> list[View]:
    base, me = reverse("runs"), request.user.get_username()
    named: tuple[tuple[str, RunFilter, dict[str, Any]], ...] = (
        ("Everything", RunFilter(), {}),
        ("Mine", RunFilter(user=me), {"user": me}),
        ("Failed", RunFilter(statuses=(RunStatus.ERROR,)), {"status": RunStatus.ERROR.value}),
        (
            "Needs a person",
            RunFilter(statuses=(RunStatus.PAUSED, RunStatus.MANUAL_SCORING)),
            {"status": [RunStatus.PAUSED.value, RunStatus.MANUAL_SCORING.value]},
        ),
    )
    return [
        View(name, f"{base}?{urlencode(query, doseq=True)}" if query else base, wanted == filter_)
        for name, filter_, query in named
    ]


def _filter_of(request: HttpRequest) -> RunFilter:
    asked = request.GET.getlist("status")
    unknown = [status for status in asked if status not in RunStatus.values]
    if unknown:
        raise InvalidInput(f"status {unknown[0]!r} is not one of {', '.join(RunStatus.values)}.")
    return RunFilter(
        # In the enum's order, so that equal filters are equal.
        statuses=tuple(status for status in RunStatus if status in asked),
        user=request.GET.get("user", "").strip(),
        task=request.GET.get("task", "").strip(),
        batch=request.GET.get("batch", "").strip(),
        text=request.GET.get("q", "").strip()[:200].replace("\0", ""),
        barred=frozenset(barred_models(cast(User, request.user))),
    )


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _query_of(request: HttpRequest, **changes: Any) -> str:
    params = request.GET.copy()
    for name in ("before", "after", "ids", "newest"):
        params.pop(name, None)
    for name, value in changes.items():
        params.pop(name, None)
        if isinstance(value, list):
            params.setlist(name, value)
        elif value is not None:
            params[name] = str(value)
    return f"?{params.urlencode()}"
