"""The Attention page, its count, and what the run's page says of a wait."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from middleman.models import Model
from runs.models import AgentBranch, BranchTotals, Run, RunModel
from runs.states import PauseReason, RunStatus
from tests.factories import CONTENTS, make_entry, make_run, make_user
from traces import annotations
from traces.annotations import Target
from vivaria.clock import now_ms
from vivaria.models import User

OPTIONS = [{"action": "first <b>way</b>"}, {"action": "second way", "userId": "lin"}]
RATING: dict[str, Any] = {
    **CONTENTS["rating"],
    "options": OPTIONS,
    "modelRatings": [-1.5, 0.5],
    "description": "Which way?",
    "transcript": "a long transcript",
}


def waiting(reason: PauseReason = PauseReason.HUMAN_INTERVENTION, **fields: Any) -> Run:
    run = make_run(status=RunStatus.PAUSED, **fields)
    run.pauses.all().delete()
    run.pauses.create(start=now_ms(), reason=reason)
    return run


def asking(content: dict[str, Any] = RATING, **fields: Any) -> Run:
    run = waiting(**fields)
    make_entry(run, index=run.pk, content=content)
    return run


def page(pages: Client, path: str = "/attention/") -> str:
    answer = pages.get(path)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def told(pages: Client, path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(pages.get(path).content)
    return found


@pytest.mark.parametrize("path", ["", "changes", "count"])
def test_a_stranger_is_sent_to_log_in(db: None, path: str) -> None:
    answer = Client().get(f"/attention/{path}")
    assert answer.status_code == 302 and answer["Location"].startswith("/login/")


def test_nothing_waits_and_the_page_says_when_something_would(pages: Client) -> None:
    assert "Nothing waits for you" in page(pages)


def test_what_waits_is_listed_newest_first_with_its_options_escaped(pages: Client) -> None:
    make_user("lin")
    old, new = asking(), asking(CONTENTS["input"])
    shown = page(pages)
    assert shown.index(f'id="waits-{new.pk}-0"') < shown.index(f'id="waits-{old.pk}-0"')
    assert "first &lt;b&gt;way&lt;/b&gt;" in shown and "<b>way" not in shown
    assert "written by lin" in shown and "\u20131.5" in shown and "+0.5" in shown
    assert "a long transcript" not in shown


def test_the_best_rated_option_is_marked_at_first(pages: Client) -> None:
    run = asking()
    marked = f'value="1" data-as="number" id="option-{run.pk}-{run.pk}-1" checked'
    assert marked in page(pages)


def test_changes_hold_each_item_as_the_page_does(pages: Client) -> None:
    run = asking()
    found = told(pages, "/attention/changes")
    assert [item["key"] for item in found["items"]] == [f"waits-{run.pk}-0"]
    assert found["count"] == 1 and "first &lt;b&gt;" in found["items"][0]["html"]


def test_the_count_names_the_newest(pages: Client) -> None:
    run = asking()
    make_run(status=RunStatus.PAUSED)
    found = told(pages, "/attention/count")
    assert found["count"] == 1 and [each["run"] for each in found["newest"]] == [run.pk]


def test_a_run_of_a_barred_model_is_not_counted(db: None) -> None:
    lin = make_user("lin")
    client = Client()
    client.force_login(lin)
    run = asking()
    model = Model.objects.create(name="secret-1")
    model.groups.add(Group.objects.create(name="few"))
    RunModel.objects.create(run=run, model="secret-1")
    assert told(client, "/attention/count")["count"] == 0
    assert f"waits-{run.pk}-0" not in page(client)


def test_queries_do_not_grow_with_what_waits(pages: Client) -> None:
    asking()
    page(pages)
    with CaptureQueriesContext(connection) as few:
        page(pages)
    for _ in range(6):
        asking()
        waiting(PauseReason.CHECKPOINT_EXCEEDED)
    with CaptureQueriesContext(connection) as many:
        page(pages)
    # Checkpoints ask for their branches and pauses.
    assert len(many) <= len(few) + 2


def test_a_checkpoint_shows_its_bar_and_goes_on(pages: Client) -> None:
    run = waiting(
        PauseReason.CHECKPOINT_EXCEEDED,
        branch={"checkpoint": {"cost": 6.5}, "usage_limits": {"cost": 12, "tokens": 100}},
    )
    BranchTotals.objects.filter(branch__run=run).update(cost_usd=6.8)
    shown = page(pages)
    assert "has come to its checkpoint" in shown and "$6.80" in shown
    assert f"/api/v1/runs/{run.pk}/branches/0/unpause/" in shown


@pytest.mark.parametrize(
    ("reason", "words", "goes_on"),
    [
        (PauseReason.CHECKPOINT_EXCEEDED, "Actions 10, checkpoint 10.", True),
        (PauseReason.PAUSE_HOOK, "The agent has paused itself.", True),
        (PauseReason.PYHOOKS_RETRY, "Ends by itself.", False),
        (PauseReason.HUMAN_INTERVENTION, "Waits for a person.", False),
    ],
)
def test_a_paused_run_says_why_and_what_ends_it(
    pages: Client, reason: PauseReason, words: str, goes_on: bool
) -> None:
    run = waiting(reason, branch={"checkpoint": {"actions": 10}})
    BranchTotals.objects.filter(branch__run=run).update(actions=10)
    shown = page(pages, f"/run/{run.pk}/")
    assert words in shown
    assert (f"/runs/{run.pk}/branches/0/unpause/" in shown) == goes_on


def test_a_run_that_asks_links_to_the_question(pages: Client) -> None:
    run = asking()
    shown = page(pages, f"/run/{run.pk}/")
    assert "It offers 2 options" in shown and f'data-go="{run.pk}"' in shown


def test_a_run_that_has_ended_offers_nothing(pages: Client) -> None:
    run = asking()
    AgentBranch.objects.filter(run=run).update(is_interactive=True)
    Run.objects.filter(pk=run.pk).update(status=RunStatus.KILLED)
    shown = page(pages, f"/run/{run.pk}/")
    assert "waits-line" not in shown and 'role="switch"' not in shown


def test_an_entrys_pane_has_form_tags_comments_and_own_rating(pages: Client, ada: User) -> None:
    run = asking()
    at = Target(run_id=run.pk, number=0, index=run.pk, option=0)
    annotations.rate(at=at, label=2, user=ada)
    annotations.add_tag(at=at, body="odd", user=ada)
    annotations.add_comment(at=at, content="<i>why</i>", user=ada)
    shown = page(pages, f"/run/{run.pk}/entry/{run.pk}/")
    assert 'data-body=\'{"label": null}\' aria-pressed="true">+2' in shown
    assert "odd" in shown and "&lt;i&gt;why" in shown and "option 1" in shown
    assert told(pages, f"/run/{run.pk}/marks") == {"marks": [[run.pk, 1, 1, 0]]}


def test_a_decided_choice_says_who_chose_and_offers_no_continue(pages: Client, ada: User) -> None:
    run = asking(RATING | {"choice": 1, "userId": ada.pk})
    shown = page(pages, f"/run/{run.pk}/entry/{run.pk}/")
    assert "Chosen by ada" in shown and "Continue with" not in shown


def test_a_page_that_is_as_young_as_the_run_sees_that_an_entry_changed(pages: Client) -> None:
    run = asking()
    assert "seqs" not in told(pages, f"/run/{run.pk}/trace/index")
    before = told(pages, f"/run/{run.pk}/trace/index?since=0")
    run.entries.get().save(update_fields=["content"])
    assert told(pages, f"/run/{run.pk}/trace/index?since=0")["seqs"] > before["seqs"]
