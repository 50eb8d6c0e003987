"""Statistics of seeds: pure functions of arrays. The seed is the statistical unit, never the episode."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Seeds = Sequence[float] | NDArray[np.float64]
"""One number a seed."""

UNREACHABLE = "†"
"""Stands where no number of the given seeds could have earned a star."""


def summary(values: Seeds) -> tuple[float, float, int]:
    """``(mean, std, n)`` over seeds. The standard deviation is the sample's (``ddof=1``): the seeds are a sample of all
    possible ones. It is NaN for one seed. Raises :class:`ValueError` if there are no values or one is not finite."""
    checked = _checked("values", values)
    if np.isinf(checked).any():
        raise ValueError("values: an infinite value has no mean")
    std = float(checked.std(ddof=1)) if checked.size > 1 else math.nan
    return float(checked.mean()), std, checked.size


def mann_whitney(first: Seeds, second: Seeds) -> float:
    """Two-sided p of the Mann-Whitney U test, exact for any sizes and any ties.

    It is the permutation test of the rank sum over all ``C(n + m, n)`` ways to split the values, ties sharing their
    mean rank: twice the smaller tail, at most 1. The splits are counted, not listed, so ten against ten take a
    millisecond and no random numbers. Values may be infinite (a diverged seed is worse than any other).
    Raises :class:`ValueError` if either side is empty or holds a NaN."""
    a, b = _checked("first", first), _checked("second", second)
    few, many = sorted((a, b), key=len)  # the same either way, and faster this way
    ranks = np.rint(2 * rankdata(np.concatenate([few, many]))).astype(int)  # mean ranks are halves; doubled, whole
    ranks //= np.gcd.reduce(ranks)
    if ranks[: few.size].mean() > ranks.mean():
        ranks = ranks.max() + ranks.min() - ranks  # upside down: the lower tail, which is counted, is the short one
    counts = _rank_sum_counts(ranks, few.size, int(ranks[: few.size].sum()))
    splits = math.comb(ranks.size, few.size)
    lower = float(counts.sum())
    upper = splits - lower + float(counts[-1])
    return min(1.0, 2.0 * min(lower, upper) / splits)


def probability_of_improvement(first: Seeds, second: Seeds) -> float:
    """Probability that a random seed of ``first`` is larger than one of ``second``, a tie counting half: U / (n m)."""
    a, b = _checked("first", first)[:, None], _checked("second", second)[None, :]
    return float((a > b).mean() + 0.5 * (a == b).mean())


def stratified_interval(
    statistic: Callable[[list[NDArray[np.float64]]], float],
    groups: Sequence[Seeds],
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 2000,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic of groups of seeds (one group a task, say): the seeds of each group
    are resampled with replacement within that group, as in rliable's stratified bootstrap. With few seeds it is too
    narrow, and of one seed it is a point. Raises :class:`ValueError` without groups, for a group that is empty or
    holds a NaN, and for a level outside (0, 1)."""
    checked = [_checked(f"group {number}", group) for number, group in enumerate(groups)]
    if not checked:
        raise ValueError("groups: an interval needs at least one group of seeds")
    if not 0.0 < level < 1.0 or resamples < 1:
        raise ValueError(f"level = {level!r} must be in (0, 1) and resamples = {resamples!r} at least 1")
    # The draws of a group are made at once: calls of the generator are what a bootstrap of small groups is slow by.
    drawn = [group[rng.integers(group.size, size=(resamples, group.size))] for group in checked]
    seen = [statistic([group[number] for group in drawn]) for number in range(resamples)]
    low, high = np.quantile(seen, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's step-down correction: each p adjusted for all of them, in their order. To reject what is then below a
    level keeps the chance of any false rejection among them below that level, however they depend on one another.

    The i-th smallest of k is multiplied by ``k - i + 1``, is at most 1, and never falls below a smaller one's. Raises
    :class:`ValueError` for what is no probability."""
    raw = np.asarray(ps, dtype=float)
    if raw.ndim != 1 or not ((raw >= 0.0) & (raw <= 1.0)).all():  # a NaN is in no range
        raise ValueError("ps: expected a list of probabilities")
    order = np.argsort(raw, kind="stable")
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(raw[order] * np.arange(raw.size, 0, -1)))
    return [float(p) for p in adjusted]


def smallest_p(n: int, m: int) -> float:
    """The smallest two-sided p that ``n`` against ``m`` seeds can reach: ``2 / C(n + m, n)``."""
    if n < 1 or m < 1:
        raise ValueError(f"{n} against {m} seeds: a test needs at least one seed on each side")
    return min(1.0, 2.0 / math.comb(n + m, n))


def mark(p: float, reach: float, level: float = 0.05) -> str:
    """``"*"`` if ``p < level``, ``""`` if not, and ``"†"`` if the test cannot reach the level: its smallest possible p
    (after a correction, say) is ``reach``."""
    if math.isnan(p):
        raise ValueError("p is NaN")
    if reach >= level:
        return UNREACHABLE
    return "*" if p < level else ""


def _rank_sum_counts(ranks: NDArray[np.int_], size: int, largest: int) -> NDArray[np.float64]:
    """``counts[s]``: how many subsets of ``size`` ranks sum to ``s``, for s from 0 to ``largest``."""
    counts = np.zeros((size + 1, largest + 1))
    counts[0, 0] = 1.0
    reached = 0  # the largest sum so far; the smallest ranks first keep it low
    for seen, rank in enumerate(np.sort(ranks)):
        rows = min(seen + 1, size)
        reached = min(reached, largest - int(rank))
        if reached < 0:
            break  # what is left is larger still
        # NumPy reads before it adds: no rank counts twice.
        counts[1 : rows + 1, rank : rank + reached + 1] += counts[:rows, : reached + 1]
        reached += int(rank)
    chosen: NDArray[np.float64] = counts[size]
    return chosen


def _checked(name: str, values: Seeds) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name}: expected a non-empty list of numbers, one per seed")
    if np.isnan(array).any():
        raise ValueError(f"{name}: a value is NaN; drop unfinished seeds first")
    return array
