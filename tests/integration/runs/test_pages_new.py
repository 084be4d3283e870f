"""The form for a new run."""

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from runs.models import TaskEnvironment
from tests.factories import make_run, make_user
from vivaria.models import User


def text(answer: object) -> str:
    return str(answer.content.decode())  # type: ignore[attr-defined]


def test_a_stranger_is_sent_to_log_in(db: None) -> None:
    assert Client().get("/runs/new/").status_code == 302


def test_it_offers_each_task_and_agent_of_ones_own_runs_once(pages: Client, ada: User) -> None:
    for _ in range(3):
        run = make_run(user=ada, uploaded_agent_path="upload-a", uploaded_agent_name="two")
        TaskEnvironment.objects.filter(run=run).update(uploaded_task_family_path="upload-t")
    context = pages.get("/runs/new/").context
    assert [used.value for used in context["tasks"]] == ["upload upload-t"]
    assert [used.value for used in context["agents"]] == ["upload upload-a"]


def test_uploads_of_others_stay_theirs(pages: Client) -> None:
    run = make_run(user=make_user("lin"), uploaded_agent_path="upload-lins")
    TaskEnvironment.objects.filter(run=run).update(uploaded_task_family_path="upload-lins-task")
    for path in ("/runs/new/", f"/runs/new/?like={run.pk}"):
        assert "upload-lins" not in text(pages.get(path))


def test_it_is_filled_in_as_another_run_was(pages: Client, ada: User) -> None:
    run = make_run(
        user=ada,
        name="<b>first",
        metadata={"sweep": 4},
        branch={"usage_limits": {"tokens": 1000, "cost": 2.5}, "checkpoint": {"tokens": 500}},
    )
    shown = text(pages.get(f"/runs/new/?like={run.pk}"))
    assert 'name="usage_limits.cost" value="2.5"' in shown
    assert 'name="checkpoint.tokens" value="500"' in shown
    assert "&lt;b&gt;first" in shown and "{&quot;sweep&quot;: 4}" in shown


def test_an_unknown_run_leaves_the_form_empty(pages: Client) -> None:
    assert "filled in as" not in text(pages.get("/runs/new/?like=999"))


def test_statements_do_not_grow_with_runs(pages: Client, ada: User) -> None:
    counts = []
    for more in (1, 10):
        for _ in range(more):
            make_run(user=ada)
        with CaptureQueriesContext(connection) as asked:
            pages.get("/runs/new/")
        counts.append(len(asked))
    assert counts[0] == counts[1]
