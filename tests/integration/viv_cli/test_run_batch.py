"""`viv run-batch`, and the REST behind it."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from runs.models import RunBatch
from runs.states import RunStatus
from tests.factories import make_batch, make_run

Viv = Callable[..., Result]
pytestmark = pytest.mark.django_db(transaction=True)


def test_batches_are_listed_with_what_they_carry(viv: Viv) -> None:
    night = make_batch("night & day/1", limit=2)
    make_run(batch=night, status=RunStatus.RUNNING)
    make_run(batch=night)
    make_batch("any")

    shown = viv("run-batch", "list").stdout
    listed = [json.loads(line) for line in viv("run_batch", "list", "--json").stdout.splitlines()]

    assert "any number" in shown
    assert listed[1] == {
        "name": "night & day/1",
        "concurrency_limit": 2,
        "active_runs": 1,
        "waiting_runs": 1,
    }


@pytest.mark.parametrize(
    ("given", "limit", "said"),
    [("0", 0, "0 at once"), ("7", 7, "7 at once"), ("None", None, "any number at once")],
)
def test_a_limit_is_changed(viv: Viv, given: str, limit: int | None, said: str) -> None:
    make_batch("night & day/1", limit=2)

    changed = viv("run_batch", "update", "night & day/1", given)

    assert changed.exit_code == 0, changed.output
    assert said in changed.stdout
    assert RunBatch.objects.get().concurrency_limit == limit


@pytest.mark.parametrize(
    ("name", "given", "said", "code"),
    [
        ("nope", "1", "no batch named 'nope'", 1),
        ("night", "many", "whole number", 2),
        ("night", "-1", "option", 2),
        ("night", str(2**40), "concurrency_limit", 1),
    ],
)
def test_a_wrong_limit_or_name_is_refused(
    viv: Viv, name: str, given: str, said: str, code: int
) -> None:
    make_batch("night", limit=2)

    failed = viv("run-batch", "update", name, given)

    assert (failed.exit_code, said in failed.stderr) == (code, True), failed.stderr
    assert RunBatch.objects.get().concurrency_limit == 2
