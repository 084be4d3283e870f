"""What a fork's page shows: its own entries, and those above it until it left."""

import json
from typing import Any

import pytest
from django.test import Client

from runs.models import Run
from runs.states import RunStatus
from tests.factories import make_branch, make_entry, make_run


@pytest.fixture
def run(db: None) -> Run:
    """Branch 1 leaves the trunk at 2, branch 2 leaves branch 1 at 11."""
    run = make_run(status=RunStatus.RUNNING)
    run.branches.update(started_at=1_000)
    for index, at in ((1, 1_000), (2, 3_000), (3, 9_000)):
        make_entry(run, index=index, called_at=at)
    make_branch(run, number=1, parent_number=0, parent_trace_entry_id=2, started_at=50_000)
    for index, at in ((11, 51_000), (12, 52_000)):
        make_entry(run, index=index, called_at=at, branch_number=1)
    make_branch(run, number=2, parent_number=1, parent_trace_entry_id=11, started_at=90_000)
    make_entry(run, index=21, called_at=90_500, branch_number=2)
    return run


def told(pages: Client, run: Run, what: str) -> Any:
    return json.loads(pages.get(f"/run/{run.pk}/trace/{what}").content)


@pytest.mark.parametrize(
    ("branch", "index", "at"),
    [
        (0, [1, 2, 3], [0, 2_000, 8_000]),
        (1, [1, 2, 11, 12], [0, 2_000, 3_000, 4_000]),
        (2, [1, 2, 11, 21], [0, 2_000, 3_000, 3_500]),
    ],
)
def test_a_line_goes_on_where_it_left_its_parent(
    pages: Client, run: Run, branch: int, index: list[int], at: list[int]
) -> None:
    shown = told(pages, run, f"index?b={branch}")
    assert (shown["index"], shown["at"]) == (index, at)


def test_rows_and_find_keep_to_the_line(pages: Client, run: Run) -> None:
    rows = pages.get(f"/run/{run.pk}/trace/rows?b=2&i=21").content.decode()
    assert "0:03" in rows
    assert len(told(pages, run, "find?b=2&q=hello")["found"]) in (0, 4)


@pytest.mark.parametrize("branch", ["7", "x", "-1", "9" * 12])
def test_a_branch_that_is_none_is_refused(pages: Client, run: Run, branch: str) -> None:
    assert pages.get(f"/run/{run.pk}/trace/index?b={branch}").status_code in (400, 404)
