"""The pages of the queue and of the Docker hosts."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from runs.models import Host, Run, RunBatch
from runs.states import RunStatus
from tests.factories import make_batch, make_host, make_run, make_user
from vivaria.models import User


def text(answer: object) -> str:
    return str(answer.content.decode())  # type: ignore[attr-defined]


@pytest.fixture
def lins(db: None) -> Client:
    """A browser of somebody who is no administrator."""
    client = Client()
    client.force_login(make_user("lin"))
    return client


@pytest.mark.parametrize("path", ["/queue/", "/hosts/", "/queue/changes", "/hosts/changes"])
def test_a_stranger_is_sent_to_log_in(db: None, path: str) -> None:
    assert Client().get(path).status_code == 302


def test_runs_wait_in_their_order_each_with_its_reason(pages: Client, ada: User) -> None:
    low = make_run(user=ada, is_low_priority=True)
    high = make_run(user=ada, is_low_priority=False)
    held = make_run(status=RunStatus.CONCURRENCY_LIMITED)
    Run.objects.filter(pk=held.pk).update(status_reason="batch b is at 1 of 1")
    answer = pages.get("/queue/")
    assert [run.id for run in answer.context["waiting"]] == [high.pk, low.pk, held.pk]
    assert "batch b is at 1 of 1" in text(answer)


@pytest.mark.parametrize("path", ["/queue/", "/queue/changes", "/hosts/", "/hosts/changes"])
def test_statements_do_not_grow_with_runs_hosts_or_batches(
    pages: Client, ada: User, path: str
) -> None:
    counts = []
    for number in range(2):
        for each in range(3):
            host = make_host(f"h-{number}-{each}")
            make_run(status=RunStatus.RUNNING, user=ada, host=host)
            make_run(user=ada, batch=make_batch(f"b-{number}-{each}"))
        with CaptureQueriesContext(connection) as asked:
            pages.get(path)
        counts.append(len(asked))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(("given", "limit"), [("0", 0), ("12", 12), ("", None), (" 7 ", 7)])
def test_staff_set_a_batchs_limit(pages: Client, given: str, limit: int | None) -> None:
    make_run(batch=make_batch("b"))
    pages.post("/queue/batch-limit", {"name": "b", "limit": given})
    assert RunBatch.objects.get(name="b").concurrency_limit == limit


def test_a_wrong_limit_is_named_and_changes_nothing(pages: Client) -> None:
    batch = make_batch("b")
    answer = pages.post("/queue/batch-limit", {"name": "b", "limit": "many"}, follow=True)
    assert "The limit is &#x27;many&#x27;; give a whole number" in text(answer)
    before = batch.concurrency_limit
    batch.refresh_from_db()
    assert batch.concurrency_limit == before


@pytest.mark.parametrize(
    ("verb", "enabled", "draining"),
    [("drain", True, True), ("disable", False, False), ("enable", True, False)],
)
def test_a_host_told_twice_does_it_once(
    pages: Client, verb: str, enabled: bool, draining: bool
) -> None:
    host = make_host("lab")
    for _ in range(2):
        assert pages.post(f"/hosts/{host.pk}/{verb}").status_code == 302
    host.refresh_from_db()
    assert (host.is_enabled, host.is_draining) == (enabled, draining)


@pytest.mark.parametrize("path", ["/hosts/lab/drain", "/queue/batch-limit"])
def test_others_than_staff_are_refused(lins: Client, path: str) -> None:
    make_host("lab")
    assert lins.post(path).status_code == 403
    assert not Host.objects.get(pk="lab").is_draining


def test_others_than_staff_see_no_actions(lins: Client) -> None:
    make_host("lab")
    make_run(batch=make_batch("b"))
    assert "/drain" not in text(lins.get("/hosts/"))
    assert "batch-limit" not in text(lins.get("/queue/"))


def test_a_host_shows_its_runs_and_its_last_error(pages: Client, ada: User) -> None:
    host = make_host("lab")
    Host.objects.filter(pk="lab").update(last_error="<b>timeout</b>")
    run = make_run(status=RunStatus.RUNNING, user=ada, host=host)
    shown = text(pages.get("/hosts/"))
    assert "&lt;b&gt;timeout" in shown and f"/run/{run.pk}/" in shown and "not answering" in shown


def test_an_unknown_host_or_verb_is_named(pages: Client) -> None:
    assert pages.post("/hosts/nowhere/drain").status_code == 404
    make_host("lab")
    assert pages.post("/hosts/lab/explode").status_code == 404
