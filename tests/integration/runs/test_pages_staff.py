"""The administrators' first page."""

from datetime import UTC, datetime

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from middleman.models import Spend
from runs.states import RunStatus
from tests.factories import make_batch, make_edit, make_host, make_run, make_user
from vivaria.clock import now_ms
from vivaria.models import User


def test_others_than_staff_are_refused(db: None) -> None:
    client = Client()
    client.force_login(make_user("lin"))
    assert client.get("/staff/").status_code == 403


def test_it_tells_of_spend_failures_hosts_and_edits(pages: Client, ada: User) -> None:
    make_host("lab")
    run = make_run(status=RunStatus.ERROR, user=ada, branch={"completed_at": now_ms()})
    make_edit(run, user=ada)
    today = datetime.now(UTC).date()
    Spend.objects.create(
        day=today, model="<i>m", user=ada, batch=make_batch("b"), calls=3, cost_usd=1.5
    )
    answer = pages.get("/staff/")
    shown = answer.content.decode()
    assert answer.context["spend"]["today"] == 1.5 and "&lt;i&gt;m" in shown
    assert [(row.word, row.today) for row in answer.context["failures"]] == [
        ("Error in the agent", 1)
    ]
    assert "host-lab" in shown and f"/run/{run.pk}/" in shown


def test_statements_do_not_grow_with_rows(pages: Client, ada: User) -> None:
    counts = []
    for number in range(2):
        for each in range(3):
            host = make_host(f"h-{number}-{each}")
            run = make_run(status=RunStatus.RUNNING, user=ada, host=host)
            make_edit(run, user=ada)
        with CaptureQueriesContext(connection) as asked:
            pages.get("/staff/")
        counts.append(len(asked))
    assert counts[0] == counts[1]
