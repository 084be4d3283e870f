"""The picture of a run."""

from xml.etree import ElementTree

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from runs.models import BranchTotals, Run
from runs.states import RunStatus
from tests.factories import make_entry, make_run
from traces.strips import SIZES, strip


@pytest.fixture
def run(db: None) -> Run:
    """Ten seconds of a model, then ten of a tool, then an error."""
    run = make_run(status=RunStatus.RUNNING, branch={"started_at": 1_000})
    for index, (kind, at) in enumerate(
        [("generation", 0), ("action", 10_000), ("error", 20_000), ("submission", 20_000)]
    ):
        make_entry(run, kind, index=index, called_at=1_000 + at)
    return run


def test_each_lane_is_full_where_it_was_at_work(run: Run) -> None:
    drawn = strip(run.pk, 0, width=20)
    assert drawn.work["model"] == dict.fromkeys(range(5), 1.0)
    assert [n for n, share in drawn.work["tool"].items() if share == 1.0] == [5, 6, 7, 8, 9]
    assert (drawn.errors, drawn.scores) == ([9], [9])


@pytest.mark.parametrize("size", list(SIZES))
def test_a_picture_is_small_and_well_formed(pages: Client, run: Run, size: str) -> None:
    answer = pages.get(f"/runs/{run.pk}/strip.svg?size={size}")
    assert answer["Content-Type"] == "image/svg+xml"
    assert ElementTree.fromstring(answer.content).get("width") == str(SIZES[size].wide)
    assert len(answer.content) < 3_000


def test_a_run_without_entries_has_a_picture(pages: Client, db: None) -> None:
    assert pages.get(f"/runs/{make_run().pk}/strip.svg").status_code == 200


def test_a_picture_is_drawn_once_until_something_comes(pages: Client, run: Run) -> None:
    first = pages.get(f"/runs/{run.pk}/strip.svg")
    with CaptureQueriesContext(connection) as queries:
        pages.get(f"/runs/{run.pk}/strip.svg")
    assert not any("generate_series" in query["sql"] for query in queries)
    assert (
        pages.get(f"/runs/{run.pk}/strip.svg", headers={"If-None-Match": first["ETag"]}).status_code
        == 304
    )
    BranchTotals.objects.filter(branch__run=run).update(entries=9)
    assert pages.get(f"/runs/{run.pk}/strip.svg")["ETag"] != first["ETag"]


@pytest.mark.parametrize("query", ["size=xl", "theme=pink", "b=x"])
def test_a_wish_that_is_unknown_is_refused(pages: Client, run: Run, query: str) -> None:
    assert pages.get(f"/runs/{run.pk}/strip.svg?{query}").status_code == 400
