"""Means and their 95 % intervals: Student's t, with Welch's degrees of freedom for two samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist, fmean, variance
from typing import Final

# Student's t at 0.975 for 1 to 30 degrees of freedom; above, a series is exact to 4 digits.
T_975: Final = (
    *(12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281),
    *(2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860),
    *(2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423),
)
Z_975: Final = NormalDist().inv_cdf(0.975)
Z_80: Final = NormalDist().inv_cdf(0.8)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean or a difference; `low` and `high` are None where nothing shows how it spreads."""

    value: float
    n: int
    low: float | None = None
    high: float | None = None
    # Of what was averaged.
    spread: float = 0.0

    @property
    def clears_zero(self) -> bool:
        return self.low is not None and self.high is not None and self.low * self.high > 0


def t_975(freedom: float) -> float:
    """Give the 97.5 % point of Student's t; between whole degrees it is drawn straight."""
    if freedom >= len(T_975):
        z = Z_975
        first = (z**3 + z) / 4
        second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
        return z + first / freedom + second / freedom**2
    below = max(1, int(freedom))
    share = max(0.0, freedom - below)
    return T_975[below - 1] + share * (T_975[min(below, len(T_975) - 1)] - T_975[below - 1])


def of_mean(values: Sequence[float]) -> Estimate:
    """Estimate the mean that `values` are drawn from; there is at least one."""
    mean, n = fmean(values), len(values)
    if n < 2 or not (spread := sqrt(variance(values))):
        return Estimate(mean, n)
    half = t_975(n - 1) * spread / sqrt(n)
    return Estimate(mean, n, mean - half, mean + half, spread)


def of_difference(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Estimate by how much the mean of `second` is above that of `first` (Welch)."""
    value, n = fmean(second) - fmean(first), min(len(first), len(second))
    if n < 2:
        return Estimate(value, n)
    parts = [(variance(each) / len(each), len(each)) for each in (first, second)]
    error = sum(part for part, _ in parts)
    if not error:
        return Estimate(value, n)
    freedom = error**2 / sum(part**2 / (size - 1) for part, size in parts)
    half = t_975(freedom) * sqrt(error)
    return Estimate(value, n, value - half, value + half, sqrt(error))


def needed(spread: float, difference: float) -> int:
    """Count the pairs that show a true `difference` with 80 % power at 95 %."""
    return max(2, ceil(((Z_975 + Z_80) * spread / difference) ** 2))


def signed(value: float) -> str:
    """Write a difference as people read it: +0.06, –0.02, 0.00."""
    text = f"{abs(value):.2f}"
    if float(text) == 0:
        return text
    return f"{'+' if value > 0 else chr(0x2013)}{text}"
