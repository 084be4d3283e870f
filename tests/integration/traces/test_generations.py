"""Generations whose gateway died do not wait for ever."""

from typing import Any

import pytest

from runs.models import Run
from tests.factories import make_run
from traces import generations
from traces.contents import EntryType
from traces.models import TraceEntry
from traces.services import EntryPlace, write_entry
from vivaria.clock import now_ms

pytestmark = pytest.mark.django_db


def place(run: Run, index: int) -> EntryPlace:
    return EntryPlace(run_id=run.pk, number=0, index=index, called_at_ms=now_ms())


def begin(at: EntryPlace, **request: Any) -> None:
    write_entry(place=at, kind=EntryType.GENERATION, content=generations.begun(request))


def test_what_nobody_finished_is_closed_after_a_while() -> None:
    run = make_run()
    for index in (1, 2):
        begin(place(run, index), agentPassthroughRequest={})
    generations.finish(place=place(run, 2), final_result={"outputs": []})
    soon = now_ms() + generations.ABANDONED_AFTER_MS - 60_000

    assert generations.close_abandoned(now=soon) == 0
    assert generations.close_abandoned(now=soon + 120_000) == 1
    assert generations.close_abandoned(now=soon + 120_000) == 0

    results = dict(TraceEntry.objects.values_list("index", "content__finalResult"))
    assert results == {1: {"error": generations.ABANDONED}, 2: {"outputs": []}}


def test_a_dummys_answer_is_never_kept_and_so_never_missed() -> None:
    request = {"settings": {"model": "testing-dummy"}}
    begin(place(make_run(), 1), agentRequest=request)

    assert generations.close_abandoned(now=2 * now_ms()) == 0
