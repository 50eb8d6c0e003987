"""Points of a line: means over seeds with their bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.stats.bootstrap import Array, mean_interval


class NothingToDrawError(ValueError):
    """A figure would be empty; the message gives the reason."""


@dataclass(frozen=True)
class Line:
    """Means over seeds and the ends of their intervals (NaN for a single seed), at each ``x``."""

    x: Array
    mean: Array
    low: Array
    high: Array


def line(runs: pd.DataFrame, x: str, metric: str, rng: np.random.Generator) -> Line:
    """Compute the mean over seeds at each value of the column ``x``, in ascending order.

    Rows without a metric, of unfinished and diverged runs, are left out.
    """
    finished = runs.dropna(subset=[x, metric])
    means = [
        (float(at), *(float(end[0]) for end in mean_interval([own[metric].to_numpy(float)[:, None]], rng=rng)))
        for at, own in finished.groupby(x, sort=True)
    ]
    return Line(*np.array(means, dtype=float).reshape(-1, 4).T)
