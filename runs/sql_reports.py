"""Reports: runs that were put under a name, shown to everybody by the default columns."""

from typing import Final

from django.urls import path

from runs import sql_queries
from runs.models import ReportRun
from runs.sql_defaults import QUERY
from runs.sql_queries import Answer
from vivaria.cli_wire import query
from vivaria.errors import NotFound
from vivaria.models import User

MOST: Final = 1_000
# The ids are numbers of a table.
OF_RUNS: Final = QUERY.replace(
    """-- WHERE "runStatus" = 'running'\n""", "WHERE id = ANY ('{{{ids}}}'::int[])\n"
).replace("LIMIT 500", "LIMIT 65536")

OF_REPORT: Final = """WHERE id IN (SELECT "runId" FROM report_runs_t WHERE "reportName" = 'NAME')"""


def names() -> list[str]:
    """Name the reports that there are."""
    found = ReportRun.objects.order_by("report_name").values_list("report_name", flat=True)
    return list(found.distinct()[:MOST])


def ask(user: User, report_name: str, *, max_rows: int | None = None) -> Answer:
    """Read a report's runs; runs that are not for the reader are left out.

    Raises:
        NotFound: there is no such report.
    """
    ids = ReportRun.objects.filter(report_name=report_name).values_list("run_id", flat=True)
    told = ",".join(str(run_id) for run_id in ids)
    if not told:
        raise NotFound(f"There is no report {report_name[:80]!r}.")
    text = OF_RUNS.format(ids=told)
    if max_rows is None:
        return sql_queries.whole(user=user, query=text)
    return sql_queries.ask_trusted(user=user, query=text, max_rows=max_rows)


def text_of(report_name: str) -> str:
    """The query of a report, as somebody would write it."""
    quoted = report_name.replace("'", "''")
    of_report = OF_REPORT.replace("NAME", quoted)
    return QUERY.replace("""-- WHERE "runStatus" = 'running'\n""", f"{of_report}\n")


@query("getReportNames", object)
def get_report_names(_user: User, _wanted: object) -> list[str]:
    """Name the reports, sorted."""
    return names()


urlpatterns = [path("getReportNames", get_report_names)]
