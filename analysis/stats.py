"""Statistics of seeds: pure functions of arrays. The seed is the statistical unit, never the episode."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

UNREACHABLE = "†"
"""Stands where no number of the given seeds could have earned a star."""


def summary(values: Sequence[float]) -> tuple[float, float, int]:
    """``(mean, std, n)`` over seeds. The standard deviation is the sample's (``ddof=1``): the seeds are a sample of all
    possible ones. It is NaN for one seed. Raises :class:`ValueError` if there are no values or one is not finite."""
    checked = _checked("values", values)
    if np.isinf(checked).any():
        raise ValueError("values: an infinite value has no mean")
    std = float(checked.std(ddof=1)) if checked.size > 1 else math.nan
    return float(checked.mean()), std, checked.size


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p of the Mann-Whitney U test, exact for any sizes and any ties.

    It is the permutation test of the rank sum over all ``C(n + m, n)`` ways to split the values, ties sharing their
    mean rank: twice the smaller tail, at most 1. The splits are counted, not listed, so ten against ten take a
    millisecond and no random numbers. Values may be infinite (a diverged seed is worse than any other).
    Raises :class:`ValueError` if either side is empty or holds a NaN."""
    a, b = _checked("first", first), _checked("second", second)
    ranks = np.rint(2 * rankdata(np.concatenate([a, b]))).astype(int)  # mean ranks are halves; doubled they are whole
    counts = _rank_sum_counts(ranks, a.size)
    observed = int(ranks[: a.size].sum())
    tail = min(counts[: observed + 1].sum(), counts[observed:].sum())
    return min(1.0, 2.0 * float(tail) / math.comb(ranks.size, a.size))


def probability_of_improvement(first: Sequence[float], second: Sequence[float]) -> float:
    """Probability that a random seed of ``first`` is larger than one of ``second``, a tie counting half: U / (n m)."""
    a, b = _checked("first", first)[:, None], _checked("second", second)[None, :]
    return float((a > b).mean() + 0.5 * (a == b).mean())


def smallest_p(n: int, m: int) -> float:
    """The smallest two-sided p that ``n`` against ``m`` seeds can reach: ``2 / C(n + m, n)``."""
    if n < 1 or m < 1:
        raise ValueError(f"{n} against {m} seeds: a test needs at least one seed on each side")
    return min(1.0, 2.0 / math.comb(n + m, n))


def star(p: float, n: int, m: int, level: float = 0.05) -> str:
    """``"*"`` if ``p < level``, ``""`` if not, and ``"†"`` if ``n`` against ``m`` seeds cannot reach the level."""
    if math.isnan(p):
        raise ValueError("p is NaN")
    if smallest_p(n, m) >= level:
        return UNREACHABLE
    return "*" if p < level else ""


def _rank_sum_counts(ranks: NDArray[np.int_], size: int) -> NDArray[np.float64]:
    """``counts[s]``: how many subsets of ``size`` ranks sum to ``s``."""
    total = int(ranks.sum())
    counts = np.zeros((size + 1, total + 1))
    counts[0, 0] = 1.0
    for rank in ranks:
        counts[1:, rank:] += counts[:-1, : total + 1 - rank]  # NumPy reads before it adds: no rank counts twice
    chosen: NDArray[np.float64] = counts[size]
    return chosen


def _checked(name: str, values: Sequence[float]) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name}: expected a non-empty list of numbers, one per seed")
    if np.isnan(array).any():
        raise ValueError(f"{name}: a value is NaN; drop unfinished seeds first")
    return array
