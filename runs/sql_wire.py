"""METR's routes for people's SQL: `queryRuns` and `queryRunsMutation` (cli-api, section 4.3)."""

from typing import Any, Final, Literal

from django.urls import path
from msgspec import Struct

from runs import sql_queries, sql_reports
from runs.sql_defaults import QUERY
from runs.sql_exports import objects
from runs.sql_queries import Answer
from vivaria.cli_wire import mutation, query
from vivaria.errors import InvalidInput
from vivaria.models import User

RUN_IDS: Final = frozenset({("runs_v", "id"), ("runs_t", "id")})
# The ids are numbers of an answer.
MORE_OF_RUNS: Final = """
SELECT run.id, run.name, environment."repoName" AS "taskRepoName", run."taskCommitId",
       run."taskVersion", run."agentRepoName", run."agentCommitId", run."uploadedAgentPath",
       run."batchName", run."batchConcurrencyLimit", run."queuePosition", run.score,
       run."isInvalid", run."isEdited"
FROM runs_v AS run
LEFT JOIN task_environments_t AS environment ON environment.id = run."taskEnvironmentId"
WHERE run.id = ANY ('{{{ids}}}'::int[])
"""


class QueryInput(Struct, rename="camel"):
    """Which of the queries to run."""

    type: Literal["default", "custom", "report"]
    query: str | None = None
    report_name: str | None = None


def answered(user: User, wanted: QueryInput) -> dict[str, Any]:
    """Run a query and say its rows, where its columns come from, and more of its runs.

    Raises:
        InvalidInput: the query is missing, fails or says too much.
        Forbidden: SQL of one's own needs a permission.
    """
    answer = asked(user, wanted)
    return {
        "rows": list(objects(answer)),
        "fields": [
            {"name": field.name, "tableName": field.table, "columnName": field.column}
            for field in answer.fields
        ],
        "extraRunData": _more_of_runs(user, answer),
    }


@query("queryRuns", QueryInput)
def query_runs(user: User, wanted: QueryInput) -> dict[str, Any]:
    """Run a query, for old clients."""
    return answered(user, wanted)


@mutation("queryRunsMutation", QueryInput)
def query_runs_mutation(user: User, wanted: QueryInput) -> dict[str, Any]:
    """Run a query."""
    return answered(user, wanted)


urlpatterns = [
    path("queryRuns", query_runs),
    path("queryRunsMutation", query_runs_mutation),
    *sql_reports.urlpatterns,
]


def asked(user: User, wanted: QueryInput) -> Answer:
    match wanted.type:
        case "default":
            return sql_queries.whole(user=user, query=QUERY)
        case "report":
            if wanted.report_name is None:
                raise InvalidInput("reportName is missing: name a report.", field="reportName")
            return sql_reports.ask(user, wanted.report_name)
        case "custom":
            if wanted.query is None:
                raise InvalidInput("query is missing: give SQL as text.", field="query")
            return sql_queries.ask_whole(user=user, query=wanted.query)


def _more_of_runs(user: User, answer: Answer) -> list[dict[str, Any]]:
    places = [
        place
        for place, field in enumerate(answer.fields)
        if (field.table or "", field.column or "") in RUN_IDS
    ]
    ids = sorted({row[place] for row in answer.rows for place in places[:1]} - {None})
    if not ids:
        return []
    told = ",".join(str(int(run_id)) for run_id in ids)
    return list(objects(sql_queries.whole(user=user, query=MORE_OF_RUNS.format(ids=told))))
