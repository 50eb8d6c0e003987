"""From runs to what is drawn: means over seeds with their bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LEVEL = 0.95
RESAMPLES = 2000

Array = NDArray[np.float64]


class NothingToDrawError(ValueError):
    """A figure would be empty. The message says what is lacking."""


@dataclass(frozen=True)
class Line:
    """Means over seeds, and the ends of their intervals (NaN where there is one seed only), at each ``x``."""

    x: Array
    mean: Array
    low: Array
    high: Array


def line(runs: pd.DataFrame, x: str, metric: str, rng: np.random.Generator) -> Line:
    """The mean over seeds at each value of the column ``x``, from low to high. Rows without a value - runs that are not
    finished or have diverged - do not count."""
    there = runs.dropna(subset=[x, metric])
    means = [
        (float(at), *(float(end[0]) for end in mean_interval([own[metric].to_numpy(float)[:, None]], rng=rng)))
        for at, own in there.groupby(x, sort=True)
    ]
    return Line(*np.array(means, dtype=float).reshape(-1, 4).T)


def mean_interval(
    groups: Sequence[Array], *, rng: np.random.Generator, level: float = LEVEL, resamples: int = RESAMPLES
) -> tuple[Array, Array, Array]:
    """Mean over groups of each group's mean over seeds, and the ends of its percentile bootstrap interval, for ``K``
    quantities at once.

    ``groups`` are arrays ``[seeds, K]``, one a task; the results are ``[K]``. Seeds are resampled within each group,
    each as a whole. A group of one seed says nothing about its spread: the ends are then NaN."""
    mean = np.mean([group.mean(0) for group in groups], axis=0)
    if min(len(group) for group in groups) < 2:
        nothing = np.full_like(mean, math.nan)
        return mean, nothing, nothing
    total = np.zeros((resamples, mean.size))
    for group in groups:
        seeds = len(group)
        # How often each seed is drawn: the same as drawing seeds with replacement.
        total += rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples) @ group / seeds
    low, high = np.quantile(total / len(groups), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return mean, low, high
