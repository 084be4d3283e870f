"""Two traces side by side."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from middleman.models import Model
from runs.models import Run
from runs.states import RunStatus
from tests.factories import make_entry, make_run, make_user
from traces import alignment

NASTY = "<script>alert(1)</script>\u202e"


def trace(*steps: tuple[str, str], **fields: Any) -> Run:
    """A run that did these steps, each an action or a log."""
    run = make_run(status=RunStatus.RUNNING, **fields)
    for at, (kind, text) in enumerate(steps):
        content: dict[str, Any] = {"type": kind}
        if kind == "action":
            content["action"] = {"tool": "bash", "command": text}
        else:
            content["content"] = [text]
        make_entry(run, kind, index=at, called_at=1_000 * at, content=content)
    return run


SAME = [("log", f"step {n}") for n in range(4)]


@pytest.fixture
def two(db: None) -> tuple[Run, Run]:
    a = trace(*SAME, ("action", "rm a b"), ("log", "done"))
    b = trace(*SAME, ("action", "rm a c"), ("action", "ls"), ("log", "done"))
    return a, b


def page(client: Client, a: Run, b: Run) -> str:
    answer = client.get(f"/compare/traces/?a={a.pk}&b={b.pk}")
    assert answer.status_code == 200
    return " ".join(answer.text.split())


def test_equal_steps_fold_and_the_first_difference_is_marked(
    pages: Client, two: tuple[Run, Run]
) -> None:
    shown = page(pages, *two)

    assert "Steps 1 to 4 are the same" in shown
    assert "First difference, step 5" in shown
    assert "<mark>b</mark>" in shown and "<mark>c</mark>" in shown
    assert "A has no such step" in shown
    assert shown.count('class="first-difference"') == 1


def test_a_trace_is_the_same_as_itself(pages: Client, two: tuple[Run, Run]) -> None:
    shown = page(pages, two[0], two[0])

    assert "All steps are the same." in shown
    assert "first-difference" not in shown


def test_a_long_trace_is_cut_and_says_so(
    pages: Client, two: tuple[Run, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alignment, "MOST_STEPS", 3)

    shown = page(pages, *two)

    assert f"Of run {two[0].pk} the first 3 of 6 steps are compared." in shown


def test_entries_of_megabytes_are_shown_by_their_beginning(pages: Client, db: None) -> None:
    a, b = trace(("log", "x" * 3_000_000)), trace(("log", "y" * 3_000_000))

    assert len(page(pages, a, b)) < 60_000


def test_hostile_text_is_shown_and_never_run(pages: Client, db: None) -> None:
    shown = page(pages, trace(("log", NASTY)), trace(("log", "other")))

    assert "<script>alert" not in shown
    assert "‹U+202E›" in shown


def test_a_run_that_is_not_for_a_reader_is_refused(two: tuple[Run, Run]) -> None:
    Model.objects.create(name="secret-1").groups.add(Group.objects.create(name="few"))
    two[1].used_models.create(model="secret-1")
    client = Client()
    client.force_login(make_user("bob"))

    assert client.get(f"/compare/traces/?a={two[0].pk}&b={two[1].pk}").status_code == 403


@pytest.mark.parametrize(("query", "status"), [("", 200), ("?a=x&b=1", 400), ("?a=1&b=2", 404)])
def test_what_is_asked_wrongly_is_told(pages: Client, query: str, status: int) -> None:
    assert pages.get(f"/compare/traces/{query}").status_code == status
