"""Search across all traces: how its table is filled, the page, and REST."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from middleman.models import Model
from runs.models import Run
from runs.states import RunStatus
from tests.clients import client_of
from tests.factories import make_entry, make_run, make_user
from traces import search_filling
from traces.models import SearchedEntry, SearchMark, TraceEntry
from traces.search_filling import MOST_CHARS, SETTLES_WITHIN_MS, fill
from vivaria.models import User

NASTY = "<script>alert(1)</script> quokka \ue000 \u202e numbat wombat"


@pytest.fixture
def run(db: None, ada: User) -> Run:
    return make_run(status=RunStatus.RUNNING, user=ada)


def log(run: Run, *content: Any, **fields: Any) -> TraceEntry:
    return make_entry(run, content={"type": "log", "content": list(content)}, **fields)


def found(client: Client, query: str, **more: Any) -> list[int]:
    asked: Any = {"q": query, **more}
    answer = client.get("/api/v1/search/", asked)
    assert answer.status_code == 200, answer.text
    return [hit["index"] for hit in answer.json()["results"]]


def test_what_was_said_is_found_by_its_stem(pages: Client, run: Run) -> None:
    log(run, "The reset was refused", {"deep": ["a stale lock file"]}, index=1)
    make_entry(run, "action", content={"type": "action", "action": {"command": "pg_resetwal -f"}})
    fill()

    assert found(pages, "refusing resets") == [1]
    assert found(pages, '"stale lock"') == [1]
    assert found(pages, "stale -refused") == []
    # Names of keys say nothing.
    assert found(pages, "deep") == []
    assert len(found(pages, "pg_resetwal")) == 1


def test_filling_twice_is_filling_once_and_a_change_is_seen(pages: Client, run: Run) -> None:
    entry = log(run, "wombat", index=1)
    assert (fill(), fill()) == (1, 0)

    TraceEntry.objects.filter(pk=entry.pk).update(content={"type": "log", "content": ["quokka"]})
    assert fill() == 1

    assert (found(pages, "wombat"), found(pages, "quokka")) == ([], [1])
    assert SearchedEntry.objects.count() == 1


def test_what_was_committed_late_below_the_mark_is_found(pages: Client, run: Run) -> None:
    late, early = log(run, "late", index=1), log(run, "early", index=2)
    late_seq = TraceEntry.objects.get(pk=late.pk).seq
    late.delete()
    fill(at_ms=1)
    assert SearchMark.objects.get().filled_seq >= TraceEntry.objects.get(pk=early.pk).seq

    log(run, "late", index=1, seq=late_seq)
    fill(at_ms=2)

    assert found(pages, "late") == [1]


def test_what_has_settled_is_not_looked_through_again(run: Run) -> None:
    log(run, "one")
    fill(at_ms=SETTLES_WITHIN_MS)
    log(run, "two")
    fill(at_ms=2 * SETTLES_WITHIN_MS)
    fill(at_ms=3 * SETTLES_WITHIN_MS)

    mark = SearchMark.objects.get()
    assert mark.settled_seq == mark.filled_seq


def test_a_long_way_is_gone_in_steps(
    pages: Client, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_filling, "WINDOW", 3)
    monkeypatch.setattr(search_filling, "WINDOW_BYTES", 1)
    for number in range(10):
        log(run, f"wombat {number}", index=number)
    assert fill(works_s=0) == 0
    fill()

    answer = pages.get("/api/v1/search/?q=wombat&limit=4").json()
    assert [hit["index"] for hit in answer["results"]] == [9, 8, 7, 6]
    assert answer["behind"] == 0
    following = pages.get(answer["next"]).json()
    assert [hit["index"] for hit in following["results"]] == [5, 4, 3, 2]


def test_an_entry_of_megabytes_is_searched_by_its_beginning(pages: Client, run: Run) -> None:
    log(run, "wombat " + "x " * MOST_CHARS, "zebra", "data:image/png;base64,quokka", index=1)
    log(run, "y" * 5_000_000, index=2)
    fill()

    hit = pages.get("/api/v1/search/", {"q": "wombat"}).json()["results"][0]
    assert hit["is_cut"]
    assert found(pages, "zebra") == []
    assert found(pages, "quokka") == []


def test_a_generation_is_found_by_its_last_message_and_answer(pages: Client, run: Run) -> None:
    messages = [{"role": "user", "content": "wombat"}, {"role": "user", "content": "quokka"}]
    result = {"outputs": [{"completion": "numbat"}]}
    content = {"agentRequest": {"messages": messages}, "finalResult": result}
    make_entry(run, "generation", index=1, content={"type": "generation", **content})
    fill()

    assert found(pages, "quokka numbat") == [1]
    assert found(pages, "wombat") == []


def test_filters_narrow_what_is_found(pages: Client, run: Run) -> None:
    other = make_run(task_id="crossword/5x5", uploaded_agent_name="plain")
    log(run, "wombat", index=1, called_at=1_000)
    log(other, "wombat", index=2, called_at=1_769_860_800_000)  # 31 Jan 2026, noon
    make_entry(other, "submission", index=3, content={"type": "submission", "value": "wombat"})
    fill()

    assert found(pages, "wombat", kind="submission") == [3]
    assert found(pages, "wombat", task="crossword") == [3, 2]
    assert found(pages, "wombat", task="crossword/5x5", agent="plain", kind="log") == [2]
    assert found(pages, "wombat", run=run.pk) == [1]
    assert found(pages, "wombat", since="2026-01-31", until="2026-01-31") == [2]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"q": ""}, "q must"),
        ({"q": "the"}, "are everywhere"),
        ({"q": "a1", "kind": "nope"}, "kind is"),
        ({"q": "a1", "since": "soon"}, "since is"),
        ({"q": "a1", "run": "x"}, "run is"),
        ({"q": "a1", "limit": "0"}, "limit is 0"),
    ],
    ids=["empty", "stop-word", "kind", "since", "run", "limit"],
)
def test_what_is_asked_wrongly_is_told(
    pages: Client, run: Run, query: dict[str, str], named: str
) -> None:
    answer = pages.get("/api/v1/search/", query)

    assert answer.status_code == 400
    assert named in answer.text


def test_runs_that_are_not_for_a_reader_are_not_found(pages: Client, run: Run) -> None:
    Model.objects.create(name="secret-1").groups.add(Group.objects.create(name="few"))
    run.used_models.create(model="secret-1")
    log(run, "wombat", index=1)
    fill()

    assert found(client_of(make_user()), "wombat") == []
    assert found(pages, "wombat") == [1]


def test_the_page_marks_hits_links_them_and_runs_nothing(pages: Client, run: Run) -> None:
    log(run, NASTY, index=7)
    assert "being read for the first time" in pages.get("/search/?q=quokka").text
    fill()

    page = pages.get("/search/?q=quokka").text

    assert "<mark>quokka</mark>" in page
    assert f'href="/run/{run.pk}/?e=7"' in page
    assert "<script>alert" not in page
    assert "‹U+202E›" in page
    assert "is found" in page
    assert pages.get("/search/?q=the").status_code == 400
    assert "No entry says that" in pages.get("/search/?q=nothing+such").text
