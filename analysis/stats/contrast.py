"""One comparison of two samples of seeds: is the first more (or less) than a share of the second, and how surely?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.stats import significance

LEVEL = 0.05
"""Of the tests; the intervals hold ``1 - LEVEL``."""

RESAMPLES = 1000
"""Of each bootstrap: enough for the two digits that are shown."""

Answer = Literal["yes", "no", "open"]
Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """The statement that ``first`` is ``more`` (or else less) than ``share`` times ``second`` on one item (a task).

    ``waiting`` counts runs that the statement is about and that have not ended. ``counts``: whether the item is one of
    those that the paper speaks of."""

    item: str
    first: str
    second: str
    first_values: tuple[float, ...]
    second_values: tuple[float, ...]
    share: float
    more: bool
    waiting: int = 0
    counts: bool = True

    @property
    def seeds(self) -> tuple[int, int]:
        """How many seeds either side has."""
        return len(self.first_values), len(self.second_values)

    @property
    def sides(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The two samples whose first is the larger if the statement is true: the test and the effects compare
        these."""
        first, second = np.asarray(self.first_values), self.share * np.asarray(self.second_values)
        return (first, second) if self.more else (second, first)

    @property
    def true_of_means(self) -> bool:
        """The statement as the means alone have it: all that printed numbers can answer."""
        return margin([self]) > 0

    @property
    def p(self) -> float:
        """Two-sided Mann-Whitney p of the two samples, the second one scaled by ``share``."""
        return significance.mann_whitney(*self.sides)


@dataclass(frozen=True, kw_only=True)
class Effect:
    """How far the statement is from the threshold, averaged over items. ``margin``: difference of the means that are
    compared, positive where the statement is true. ``probability``: that a random seed of one side and one of the
    other have it so. Both with percentile bootstrap intervals over seeds."""

    margin: float
    margin_interval: Interval
    probability: float
    probability_interval: Interval


def margin(contrasts: Sequence[Contrast]) -> float:
    """Mean over contrasts of the difference of means, positive as stated."""
    return _margin(_groups(contrasts))


def effect(contrasts: Sequence[Contrast]) -> Effect:
    """The effect over one or several contrasts: seeds are resampled within each side of each of them, always with the
    same random numbers."""
    groups = _groups(contrasts)

    def interval(statistic: Callable[[list[NDArray[np.float64]]], float]) -> Interval:
        rng = np.random.default_rng(0)
        return significance.stratified_interval(statistic, groups, rng=rng, level=1 - LEVEL, resamples=RESAMPLES)

    return Effect(
        margin=_margin(groups),
        margin_interval=interval(_margin),
        probability=_probability(groups),
        probability_interval=interval(_probability),
    )


def corrected(contrasts: Sequence[Contrast]) -> list[float]:
    """Each contrast's p, Holm-corrected for all of them."""
    return significance.holm([contrast.p for contrast in contrasts])


def reach(contrasts: Sequence[Contrast]) -> list[float]:
    """For each contrast the smallest corrected p that the numbers of seeds allow: no test is ever clearer than its own
    sizes allow, and none passes unless the smallest passes the whole correction."""
    own = [significance.smallest_p(*contrast.seeds) for contrast in contrasts]
    return [max(p, min(1.0, len(own) * min(own))) for p in own]


def answer(contrast: Contrast, size: Effect, p: float, smallest: float) -> Answer:
    """Yes or no only if every run has ended, the seeds can reach the level, the corrected ``p`` does, and the interval
    of the margin lies on one side."""
    low, high = size.margin_interval
    if contrast.waiting or smallest >= LEVEL or p >= LEVEL or low <= 0 <= high:
        return "open"
    return "yes" if low > 0 else "no"


def _groups(contrasts: Sequence[Contrast]) -> list[NDArray[np.float64]]:
    return [side for contrast in contrasts for side in contrast.sides]


def _margin(groups: list[NDArray[np.float64]]) -> float:
    means = [float(group.mean()) for group in groups]
    return (sum(means[::2]) - sum(means[1::2])) / (len(means) // 2)


def _probability(groups: list[NDArray[np.float64]]) -> float:
    pairs = zip(groups[::2], groups[1::2], strict=True)
    chances = [significance.probability_of_improvement(larger, smaller) for larger, smaller in pairs]
    return sum(chances) / len(chances)
