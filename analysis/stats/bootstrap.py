"""Percentile bootstrap intervals over seeds, stratified by group as in rliable.

The seeds of each group (a task, say) are resampled with replacement within that group. With few seeds the intervals are
too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.stats.significance import Seeds, checked_seeds

LEVEL = 0.95
RESAMPLES = 2000

Array = NDArray[np.float64]


def stratified_interval(
    statistic: Callable[[list[Array]], float],
    groups: Sequence[Seeds],
    *,
    rng: np.random.Generator,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Compute the interval of any statistic of groups of seeds. The interval of single seeds is a point.

    Raises:
        ValueError: There are no groups, a group is empty or holds a NaN, or ``level`` is outside (0, 1).
    """
    samples = [checked_seeds(f"group {number}", group) for number, group in enumerate(groups)]
    if not samples:
        raise ValueError("groups: an interval needs at least one group of seeds")
    if not 0.0 < level < 1.0 or resamples < 1:
        raise ValueError(f"level = {level!r} must be in (0, 1) and resamples = {resamples!r} at least 1")
    # One call of the generator per group: for small groups its calls are the slow part of a bootstrap.
    draws = [sample[rng.integers(sample.size, size=(resamples, sample.size))] for sample in samples]
    low, high = _ends(np.array([statistic([draw[number] for draw in draws]) for number in range(resamples)]), level)
    return float(low), float(high)


def mean_interval(groups: Sequence[Array], *, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Compute the mean over groups of each group's mean over seeds, and its interval, for ``K`` quantities at once.

    Each seed is resampled as a whole, with all of its quantities.

    Args:
        groups: One array ``[seeds, K]`` per group.

    Returns:
        Mean, lower end and upper end, each ``[K]``. The ends are NaN if a group has a single seed, which says nothing
        about its spread.
    """
    mean = np.mean([group.mean(0) for group in groups], axis=0)
    if min(len(group) for group in groups) < 2:
        nothing = np.full_like(mean, math.nan)
        return mean, nothing, nothing
    total = np.zeros((RESAMPLES, mean.size))
    for group in groups:
        seeds = len(group)
        # How often each seed is drawn, instead of the draws: equivalent for means, and one matrix product.
        total += rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=RESAMPLES) @ group / seeds
    low, high = _ends(total / len(groups), LEVEL)
    return mean, low, high


def _ends(statistics: Array, level: float) -> Array:
    """Quantiles over the resamples (axis 0) that enclose a share ``level``."""
    return np.asarray(np.quantile(statistics, [(1 - level) / 2, (1 + level) / 2], axis=0))
