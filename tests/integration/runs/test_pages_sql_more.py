"""What stands around a query on its page: reports, charts, metadata, stopping."""

import html
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from runs import sql_running
from runs.models import ReportRun, Run
from runs.states import RunStatus
from tests.clients import client_of
from tests.factories import make_run, make_staff, make_user
from tests.gateways import transactional_db
from vivaria.models import User

__all__ = ["transactional_db"]


@pytest.fixture(scope="module")
def ada(transactional_db: None) -> User:
    return make_staff("ada")


@pytest.fixture(scope="module")
def pages(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


@pytest.fixture(scope="module")
def run(ada: User) -> Run:
    run = make_run(status=RunStatus.SUBMITTED, user=ada, metadata={"a": 1})
    make_run(status=RunStatus.SUBMITTED, user=ada)
    ReportRun.objects.create(report_name="it's weekly", run=run)
    return run


def chart(pages: Client, query: str) -> Any:
    shown = pages.post("/sql/run", {"sql": query}).text
    found = re.search(r'data-chart="([^"]*)"', shown)
    return json.loads(html.unescape(found[1])) if found else None


def test_a_report_shows_its_runs_to_who_has_no_permission(run: Run) -> None:
    client = Client()
    client.force_login(make_user())

    page = client.get("/sql/", {"report_name": "it's weekly"})

    assert page.status_code == 200
    assert "1 row<" in page.text
    assert f'href="/run/{run.pk}/"' in page.text
    assert "no report" in client.get("/sql/", {"report_name": "other"}).text


def test_a_reports_text_is_a_query_that_finds_the_same(pages: Client, run: Run) -> None:
    page = pages.get("/sql/", {"report_name": "it's weekly"}).text
    text = html.unescape(page.partition("autofocus>")[2].partition("</textarea>")[0])

    assert "1 row<" in pages.post("/sql/run", {"sql": text}).text


def test_metrs_routes_know_reports(run: Run) -> None:
    client = client_of(make_user())
    wanted = {"type": "report", "reportName": "it's weekly"}

    names = client.get("/getReportNames").json()["result"]["data"]
    answer = client.get("/queryRuns", {"input": json.dumps(wanted)}).json()["result"]["data"]

    assert names == ["it's weekly"]
    assert [row["id"] for row in answer["rows"]] == [run.pk]


def test_a_chart_has_what_can_be_drawn(pages: Client, run: Run) -> None:
    drawn = chart(
        pages,
        'SELECT "createdAt", score, "taskId", metadata FROM runs_v WHERE score IS NOT NULL',
    )

    kinds = [(column["name"], column["kind"]) for column in drawn["columns"]]
    assert kinds == [("createdAt", "time"), ("score", "number"), ("taskId", "word")]
    assert [row[1:] for row in drawn["rows"]] == [[1.0, "count_odds/main"]] * 2
    assert chart(pages, "SELECT 'a' UNION SELECT 'b'") is None
    assert chart(pages, "SELECT 'NaN'::float UNION SELECT 1")["rows"].count([None]) == 1


def test_metadata_is_edited_at_its_cell(pages: Client, run: Run) -> None:
    shown = pages.post("/sql/run", {"sql": "SELECT id AS x, metadata FROM runs_v"}).text
    place = f"/sql/metadata/{run.pk}"
    assert f'data-metadata="{place}"' in shown

    assert pages.post(place, {"metadata": "[1]"}).status_code == 400
    assert "no JSON" in pages.post(place, {"metadata": "{"}).json()["problem"]
    assert pages.post(place, {"metadata": '{"b": 2}'}).status_code == 200
    assert Run.objects.get(pk=run.pk).metadata == {"b": 2}
    other = Client()
    other.force_login(make_user())
    assert other.post(place, {"metadata": "{}"}).status_code == 403


def test_a_query_that_nobody_waits_for_is_stopped(pages: Client) -> None:
    def asked() -> Any:
        try:
            return pages.post("/sql/run", {"sql": "SELECT pg_sleep(50)", "key": "k"})
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as other:
        answer = other.submit(asked)
        while not answer.done():
            assert not sql_running.stop("somebody else", "k")
            pages.post("/sql/stop", {"key": "k"})
        assert "was stopped" in answer.result().text
    assert pages.post("/sql/stop", {"key": "k"}).json() == {"stopped": False}
