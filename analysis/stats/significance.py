"""Means, tests and effect sizes over seeds: pure functions of arrays.

The seed is the statistical unit, never the episode.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Seeds = Sequence[float] | NDArray[np.float64]
"""One number per seed."""

LEVEL = 0.05
"""Of a marked difference."""
UNREACHABLE = "†"
"""Mark of a test that cannot reach the level with the given numbers of seeds."""


def summary(values: Seeds) -> tuple[float, float, int]:
    """Return ``(mean, std, n)`` over seeds.

    The standard deviation is the sample's (``ddof=1``), as the seeds are a sample of all possible ones. It is NaN for
    one seed.

    Raises:
        ValueError: There are no values, or one is not finite.
    """
    sample = checked_seeds("values", values)
    if np.isinf(sample).any():
        raise ValueError("values: an infinite value has no mean")
    std = float(sample.std(ddof=1)) if sample.size > 1 else math.nan
    return float(sample.mean()), std, sample.size


def checked_seeds(name: str, values: Seeds) -> NDArray[np.float64]:
    """Return the values as an array. Raises :class:`ValueError`, naming ``name``, if there are none or one is NaN."""
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name}: expected a non-empty list of numbers, one per seed")
    if np.isnan(array).any():
        raise ValueError(f"{name}: a value is NaN; drop unfinished seeds first")
    return array


def mann_whitney(first: Seeds, second: Seeds) -> float:
    """Compute the two-sided p of the Mann-Whitney U test, exact for any sizes and any ties.

    This is the permutation test of the rank sum over all ``C(n + m, n)`` ways to split the values, where ties share
    their mean rank: twice the smaller tail, at most 1. The splits are counted, not listed, so ten against ten take a
    millisecond and no random numbers. Values may be infinite (a diverged seed is worse than any other).

    Raises:
        ValueError: A side is empty or holds a NaN.
    """
    a, b = checked_seeds("first", first), checked_seeds("second", second)
    few, many = sorted((a, b), key=len)  # the test is symmetric, and faster this way
    ranks = np.rint(2 * rankdata(np.concatenate([few, many]))).astype(int)  # doubled, as mean ranks are halves
    ranks //= np.gcd.reduce(ranks)
    if ranks[: few.size].mean() > ranks.mean():
        ranks = ranks.max() + ranks.min() - ranks  # turn upside down: the lower tail is counted, so make it short
    counts = _rank_sum_counts(ranks, few.size, int(ranks[: few.size].sum()))
    splits = math.comb(ranks.size, few.size)
    lower = float(counts.sum())
    upper = splits - lower + float(counts[-1])
    return min(1.0, 2.0 * min(lower, upper) / splits)


def probability_of_improvement(first: Seeds, second: Seeds) -> float:
    """Compute the probability that a random seed of ``first`` exceeds one of ``second``: U / (n m), ties count half."""
    a, b = checked_seeds("first", first)[:, None], checked_seeds("second", second)[None, :]
    return float((a > b).mean() + 0.5 * (a == b).mean())


def mean_probability_of_improvement(groups: Sequence[Seeds]) -> float:
    """Average :func:`probability_of_improvement` over items. ``groups`` alternates the first and second samples."""
    pairs = zip(groups[::2], groups[1::2], strict=True)
    probabilities = [probability_of_improvement(first, second) for first, second in pairs]
    return sum(probabilities) / len(probabilities)


def holm(ps: Sequence[float]) -> list[float]:
    """Adjust each p for all of them by Holm's step-down correction, in the given order.

    Rejecting the tests whose adjusted p is below a level keeps the chance of any false rejection below that level,
    however the tests depend on one another. The i-th smallest of k is multiplied by ``k - i + 1``, is at most 1, and
    never falls below a smaller one's.

    Raises:
        ValueError: A value is not a probability.
    """
    raw = np.asarray(ps, dtype=float)
    if raw.ndim != 1 or not ((raw >= 0.0) & (raw <= 1.0)).all():  # a NaN is in no range
        raise ValueError("ps: expected a list of probabilities")
    order = np.argsort(raw, kind="stable")
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(raw[order] * np.arange(raw.size, 0, -1)))
    return [float(p) for p in adjusted]


def smallest_p(n: int, m: int) -> float:
    """Return the smallest two-sided p that ``n`` against ``m`` seeds can reach: ``2 / C(n + m, n)``."""
    if n < 1 or m < 1:
        raise ValueError(f"{n} against {m} seeds: a test needs at least one seed on each side")
    return min(1.0, 2.0 / math.comb(n + m, n))


def mark(p: float, reach: float) -> str:
    """Return ``"*"`` if ``p < 0.05``, ``""`` if not, and ``"†"`` if the test cannot reach that level. ``reach`` is the
    smallest p that the test can give, after any correction."""
    if math.isnan(p):
        raise ValueError("p is NaN")
    if reach >= LEVEL:
        return UNREACHABLE
    return "*" if p < LEVEL else ""


def _rank_sum_counts(ranks: NDArray[np.int_], size: int, largest: int) -> NDArray[np.float64]:
    """Count the subsets of ``size`` ranks that sum to ``s``, for s from 0 to ``largest``."""
    counts = np.zeros((size + 1, largest + 1))
    counts[0, 0] = 1.0
    reached = 0  # the largest sum so far; the smallest ranks first keep it low
    for seen, rank in enumerate(np.sort(ranks)):
        rows = min(seen + 1, size)
        reached = min(reached, largest - int(rank))
        if reached < 0:
            break  # the remaining ranks are larger still
        # NumPy reads before it adds: no rank counts twice.
        counts[1 : rows + 1, rank : rank + reached + 1] += counts[:rows, : reached + 1]
        reached += int(rank)
    complete: NDArray[np.float64] = counts[size]
    return complete
