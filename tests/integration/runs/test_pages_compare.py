"""The page that compares runs."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from middleman.models import Model
from runs.models import Run
from runs.states import RunStatus
from tests.factories import make_run, make_user
from vivaria.models import User

NASTY = "<script>alert(1)</script>"


def scored(task: str, agent: str, score: float | None, **fields: Any) -> Run:
    branch = {"score": score, "submission": "2"}
    return make_run(
        status=RunStatus.SUBMITTED,
        task_id=task,
        uploaded_agent_name=agent,
        branch=branch,
        **fields,
    )


def ids(runs: list[Run]) -> str:
    return ",".join(str(run.pk) for run in runs)


@pytest.fixture
def runs(db: None) -> list[Run]:
    made = []
    for task, a, b in (("t/x", 0.25, 0.5), ("t/y", 0.25, 0.75), ("t/z", 0.5, 0.75)):
        made += [scored(task, "plain", a), scored(task, "tools", b), scored(task, "tools", b)]
    return made


def said(pages: Client, address: str) -> str:
    answer = pages.get(address)
    assert answer.status_code == 200
    return " ".join(answer.text.split())


def test_without_runs_the_page_asks_which(pages: Client) -> None:
    assert "Which runs?" in said(pages, "/compare/")


def test_tasks_and_agents_are_laid_side_by_side(pages: Client, runs: list[Run]) -> None:
    page = said(pages, f"/compare/?runs={ids(runs)}")

    assert "plain against tools" in page
    assert "Not enough to say that B is better." in page
    assert "Paired over 3 tasks" in page
    assert page.count('class="unfold"') == 3


def test_the_interval_is_students(pages: Client, runs: list[Run]) -> None:
    # t.test(c(.25, .5, .25)): 0.333, -0.0252 to 0.6918
    page = said(pages, f"/compare/?runs={ids(runs)}")

    assert "+0.33" in page
    assert "interval –0.03 to +0.69" in page


def test_an_interval_that_clears_zero_is_said_to(pages: Client, runs: list[Run]) -> None:
    runs += [scored("t/w", "plain", 0.25), scored("t/w", "tools", 0.5)]
    runs += [scored("t/v", "plain", 0.25), scored("t/v", "tools", 0.5)]

    assert "B is better than A on these tasks." in said(pages, f"/compare/?runs={ids(runs)}")


def test_a_run_without_a_score_is_counted_and_no_zero(pages: Client, db: None) -> None:
    good, open_ = scored("t/x", "plain", 1.0), make_run(task_id="t/x", uploaded_agent_name="plain")
    ours = make_run(
        status=RunStatus.ERROR,
        task_id="t/x",
        uploaded_agent_name="plain",
        branch={"failure_class": "infrastructure"},
    )

    page = said(pages, f"/compare/?runs={ids([good, open_, ours])}")

    assert "1 of 3 runs scored" in page
    assert "1 run not over yet: left out, never counted as 0" in page
    assert "1 run ended by a fault of the server or a provider" in page


def test_a_filter_of_the_runs_page_selects(pages: Client, runs: list[Run]) -> None:
    assert "3 runs" in said(pages, "/compare/?task=t/x&status=submitted")
    assert pages.get("/compare/?status=nope&task=t").status_code == 400
    assert pages.get("/compare/?runs=1,x").status_code == 400


def test_runs_that_are_not_for_a_reader_are_not_there(runs: list[Run]) -> None:
    Model.objects.create(name="secret-1").groups.add(Group.objects.create(name="few"))
    runs[0].used_models.create(model="secret-1")
    client = Client()
    client.force_login(make_user("bob"))

    page = said(client, f"/compare/?runs={ids(runs[:2])}")

    assert "1 named run is not there, or not for you" in page
    assert f"/run/{runs[0].pk}/" not in page


def test_names_are_escaped_and_no_formula(pages: Client, db: None) -> None:
    run = scored("t/x", NASTY, 1.0)
    other = scored("t/x", "=1+1", 1.0)

    assert NASTY not in said(pages, f"/compare/?runs={ids([run, other])}")
    assert "'=1+1" in pages.get(f"/compare/?runs={ids([run, other])}&format=csv").text


def test_a_hundred_runs_cost_no_more_statements(pages: Client, ada: User) -> None:
    few = [scored("t/x", "plain", 1.0, user=ada) for _ in range(2)]
    many = [scored(f"t/{n % 7}", "plain", 1.0, user=ada) for n in range(30)]
    counts = []
    for some in (few, many):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            pages.get(f"/compare/?runs={ids(some)}")
        counts.append(len(queries))
    assert counts[0] == counts[1]
