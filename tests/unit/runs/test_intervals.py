"""Intervals, against values that R computes (t.test, qt, power)."""

import pytest

from runs import intervals


@pytest.mark.parametrize(
    ("freedom", "expected"),
    [(1, 12.7062), (11, 2.20099), (30, 2.04227), (31, 2.03951), (60, 2.00030), (1000, 1.96234)],
    ids=str,
)
def test_students_t(freedom: float, expected: float) -> None:
    assert intervals.t_975(freedom) == pytest.approx(expected, abs=1e-4)


def test_a_mean_has_the_interval_of_student() -> None:
    found = intervals.of_mean([0.1, 0.2, 0.4, 0.5])

    assert found.value == pytest.approx(0.3)
    assert (found.low, found.high) == pytest.approx((0.009485, 0.590515), abs=1e-4)
    assert found.clears_zero


def test_two_samples_are_told_apart_by_welch() -> None:
    found = intervals.of_difference([0, 0, 0.5, 1], [1, 1, 0.5, 1, 1])

    assert found.value == pytest.approx(0.525)
    assert found.low is not None and found.high is not None
    assert found.low < 0 < found.high
    assert (found.low + found.high) / 2 == pytest.approx(0.525)


@pytest.mark.parametrize("values", [[1.0], [0.5, 0.5, 0.5]], ids=["one", "equal"])
def test_where_nothing_spreads_there_is_no_interval(values: list[float]) -> None:
    found = intervals.of_mean(values)

    assert (found.low, found.high, found.clears_zero) == (None, None, False)


def test_how_many_pairs_show_a_difference() -> None:
    assert intervals.needed(0.126, 0.05) == 50


@pytest.mark.parametrize(
    ("value", "said"), [(0.061, "+0.06"), (-0.02, "–0.02"), (-0.001, "0.00")], ids=str
)
def test_differences_are_signed(value: float, said: str) -> None:
    assert intervals.signed(value) == said
