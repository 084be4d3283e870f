"""The pages of questions about many runs, and METR's routes for them."""

from collections.abc import Mapping
from typing import Any, Final, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_POST
from msgspec import Struct

from middleman import analysing, calls_of_people, choosing
from runs import sql_wire
from runs.models import Run
from runs.sql_wire import QueryInput
from traces.models import Analysis
from vivaria.cli_wire import query
from vivaria.errors import InvalidInput, NotFound, VivariaError
from vivaria.models import User

LONGEST_QUESTION: Final = 4_000
# htmx ends its polling at this status.
STOP_POLLING: Final = 286
SHOWN: Final = 20


@login_required
@require_GET
def analysis_page(request: HttpRequest) -> HttpResponse:
    """Serve `/analysis/`: what to ask, and what was asked."""
    return render(request, "analysis/start.html", _form(request, request.GET))


@login_required
@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Check the runs, the model and the question, and begin."""
    user, given = cast(User, request.user), request.POST
    question, model = given.get("question", "").strip(), given.get("model", "").strip()
    sql = given.get("sql", "").replace("\r\n", "\n").strip()
    try:
        _check_question(question)
        calls_of_people.admit(user, model)
        run_ids = (
            choosing.queried(user, sql) if sql else choosing.named(user, given.get("runs", ""))
        )
        if "check" in given:
            context = _form(request, given) | {"checked": _told(run_ids)}
            return render(request, "analysis/start.html", context)
    except VivariaError as problem:
        context = _form(request, given) | {"problem": str(problem)}
        return render(request, "analysis/start.html", context, status=problem.status)
    made = analysing.start(user=user, question=question, model=model, run_ids=run_ids, sql=sql)
    return redirect("analysis", analysis_id=made.pk)


@login_required
@require_GET
def one(request: HttpRequest, analysis_id: int) -> HttpResponse:
    """Serve one analysis; asked by htmx, the part of it that changes."""
    analysis = Analysis.objects.filter(pk=analysis_id, user=cast(User, request.user)).first()
    if analysis is None:
        raise NotFound(f"There is no analysis {analysis_id} of yours.")
    analysing.nudge(analysis)
    context = {"page": "analysis", "analysis": analysis, "steps": _steps(analysis)}
    if not request.headers.get("HX-Request"):
        return render(request, "analysis/one.html", context)
    status = STOP_POLLING if analysis.is_over else 200
    return render(request, "analysis/_result.html", context, status=status)


class AnalysisInput(Struct, rename="camel"):
    """Of which runs what is asked of which model."""

    query_request: QueryInput
    analysis_prompt: str
    analysis_model: str


@query("validateAnalysisQuery", QueryInput)
def validate_analysis_query(user: User, wanted: QueryInput) -> dict[str, Any]:
    """Check the runs of a query before they are analysed."""
    ids = choosing.of_answer(user, sql_wire.asked(user, wanted))
    return {"runsNeedSummarization": analysing.needing_summaries(ids)}


@query("analyzeRuns", AnalysisInput)
def analyze_runs(user: User, wanted: AnalysisInput) -> dict[str, Any]:
    """Analyse runs, and answer when it is done."""
    _check_question(wanted.analysis_prompt)
    calls_of_people.admit(user, wanted.analysis_model)
    ids = choosing.of_answer(user, sql_wire.asked(user, wanted.query_request))
    done = analysing.carry_out(
        Analysis.objects.create(
            user=user,
            question=wanted.analysis_prompt,
            model=wanted.analysis_model,
            run_ids=ids,
            sql=wanted.query_request.query or "",
        )
    )
    if done.state == Analysis.State.FAILED:
        raise InvalidInput(done.problem)
    return {
        "analyzedSteps": [
            {
                "taskId": step["task"],
                "runId": step["run"],
                "index": step["index"],
                "commentary": step["said"],
                "context": [],
            }
            for step in _steps(done)
        ],
        "answer": done.answer,
        "cost": done.cost_usd,
        "model": done.model,
        "runsCount": len(ids),
    }


wire_urls = [
    path("validateAnalysisQuery", validate_analysis_query),
    path("analyzeRuns", analyze_runs),
]


def _check_question(question: str) -> None:
    if not question.strip() or len(question) > LONGEST_QUESTION:
        raise InvalidInput(
            f"question must have 1 to {LONGEST_QUESTION:,} characters.", field="question"
        )


def _told(run_ids: list[int]) -> dict[str, int]:
    return {"runs": len(run_ids), "to_sum_up": analysing.needing_summaries(run_ids)}


def _form(request: HttpRequest, given: Mapping[str, str]) -> dict[str, Any]:
    user = cast(User, request.user)
    return {
        "page": "analysis",
        "given": {name: given.get(name, "") for name in ("runs", "sql", "question", "model")},
        "models": calls_of_people.names(user),
        "most": choosing.MOST_RUNS,
        "former": Analysis.objects.filter(user=user).order_by("-id")[:SHOWN],
    }


def _steps(analysis: Analysis) -> list[dict[str, Any]]:
    runs = {step["run"] for step in analysis.steps}
    tasks = dict(Run.objects.filter(pk__in=runs).values_list("pk", "task_id"))
    return [step | {"task": tasks.get(step["run"], "")} for step in analysis.steps]
