"""Tests of the family: `viv task test count_odds/main --task-family-path …` runs them."""

from typing import Any

import pytest


def test_the_right_count_scores_one(task_family: Any, task: Any) -> None:
    odd = sum(number % 2 for number in task["numbers"])
    assert task_family.score(task, f"{odd}\n") == 1.0


def test_another_count_scores_nothing(task_family: Any, task: Any) -> None:
    assert task_family.score(task, "a few") == 0.0


@pytest.mark.task_standard_tasks(["main"])
def test_the_list_is_in_the_instructions(task_family: Any, task: Any) -> None:
    assert "4, 11, 20, 7, 36" in task_family.get_instructions(task)
