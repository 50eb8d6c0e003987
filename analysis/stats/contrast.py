"""Contrast of two samples of seeds: whether the first is more (or less) than a share of the second, and how surely."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.stats import bootstrap, significance
from analysis.stats.significance import mean_probability_of_improvement

LEVEL = 0.05
"""Level of all looks at a claim together (:mod:`analysis.stats.sequential`). The intervals hold ``1 - LEVEL``."""

RESAMPLES = 1000
"""Number of bootstrap resamples, enough for the two digits shown."""

Answer = Literal["yes", "no", "open"]
Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """The statement that ``first`` is ``more`` (or less) than ``share`` times ``second`` on one item (a task).

    ``waiting`` counts the runs behind the statement that have not ended. ``counts`` says whether the item is one of
    those that the paper speaks of. ``level`` is that of its test.
    """

    item: str
    first: str
    second: str
    first_values: tuple[float, ...]
    second_values: tuple[float, ...]
    share: float
    more: bool
    waiting: int = 0
    counts: bool = True
    level: float = LEVEL

    @property
    def seeds(self) -> tuple[int, int]:
        """Number of seeds on either side."""
        return len(self.first_values), len(self.second_values)

    @property
    def sides(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The two samples, larger one first if the statement is true. The test and the effects compare these."""
        first, second = np.asarray(self.first_values), self.share * np.asarray(self.second_values)
        return (first, second) if self.more else (second, first)

    @property
    def true_of_means(self) -> bool:
        """Whether the statement is true of the means alone, which is all that printed numbers can answer."""
        return margin([self]) > 0

    @property
    def p(self) -> float:
        """Two-sided Mann-Whitney p of the two samples, the second one scaled by ``share``."""
        return significance.mann_whitney(*self.sides)


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Distance of a statement from its threshold, averaged over items.

    ``margin`` is the difference of the compared means, positive where the statement is true. ``probability`` is the
    probability that it is true of a random seed of one side and one of the other. Both have percentile bootstrap
    intervals over seeds.
    """

    margin: float
    margin_interval: Interval
    probability: float
    probability_interval: Interval


def margin(contrasts: Sequence[Contrast]) -> float:
    """Average the difference of means over contrasts, positive as stated."""
    return _margin(_groups(contrasts))


def effect(contrasts: Sequence[Contrast]) -> Effect:
    """Compute the effect over one or several contrasts.

    Seeds are resampled within each side of each contrast, always with the same random numbers.
    """
    groups = _groups(contrasts)

    def interval(statistic: Callable[[list[NDArray[np.float64]]], float]) -> Interval:
        rng = np.random.default_rng(0)
        return bootstrap.stratified_interval(statistic, groups, rng=rng, level=1 - LEVEL, resamples=RESAMPLES)

    return Effect(
        margin=_margin(groups),
        margin_interval=interval(_margin),
        probability=mean_probability_of_improvement(groups),
        probability_interval=interval(mean_probability_of_improvement),
    )


def corrected(contrasts: Sequence[Contrast]) -> list[float]:
    """Return each contrast's p, Holm-corrected for all of them."""
    return significance.holm([contrast.p for contrast in contrasts])


def reach(contrasts: Sequence[Contrast]) -> list[float]:
    """Return for each contrast the smallest corrected p that the numbers of seeds allow.

    No test is clearer than its own sizes allow, and none passes unless the smallest passes the whole correction.
    """
    own = [significance.smallest_p(*contrast.seeds) for contrast in contrasts]
    return [max(p, min(1.0, len(own) * min(own))) for p in own]


def answer(contrast: Contrast, size: Effect, p: float, smallest: float) -> Answer:
    """Decide a contrast.

    The answer is yes or no only if every run has ended, the seeds can reach the level, the corrected ``p`` does, and
    the ranks and the means say the same: the probability and the interval of the margin lie on the same side.
    """
    if contrast.waiting or smallest >= contrast.level or p >= contrast.level:
        return "open"
    low, high = size.margin_interval
    if low > 0 and size.probability > 0.5:
        return "yes"
    return "no" if high < 0 and size.probability < 0.5 else "open"


def _groups(contrasts: Sequence[Contrast]) -> list[NDArray[np.float64]]:
    return [side for contrast in contrasts for side in contrast.sides]


def _margin(groups: list[NDArray[np.float64]]) -> float:
    means = [float(group.mean()) for group in groups]
    return (sum(means[::2]) - sum(means[1::2])) / (len(means) // 2)
