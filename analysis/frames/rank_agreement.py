"""Do our results and the paper's put the methods in the same order?"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from scipy.stats import kendalltau

from analysis.frames.cells import Cell


@dataclass(frozen=True)
class Agreement:
    """Of one task at one share: ``tau`` is Kendall's (tau-b, which allows for ties) between our means and the published
    ones of ``methods`` methods, NaN if either has all alike. ``agrees``: no two methods stand the other way round."""

    methods: int
    tau: float
    agrees: bool

    @property
    def order(self) -> str:
        """``agrees`` or ``differs``"""
        return "agrees" if self.agrees else "differs"


def agreements(made: Iterable[Cell]) -> dict[tuple[str, float | None], Agreement]:
    """By task and column's share, where at least two methods have both a mean of ours and a published one that is not
    doubtful."""
    means: dict[tuple[str, float | None], list[tuple[float, float]]] = defaultdict(list)
    for cell in made:
        if cell.sure and cell.seeds:
            means[cell.task, cell.column[0]].append((cell.mean, cell.sure.mean))
    return {key: _agreement(pairs) for key, pairs in means.items() if len(pairs) > 1}


def _agreement(pairs: list[tuple[float, float]]) -> Agreement:
    ours, theirs = zip(*pairs, strict=True)
    agrees = all((a - c) * (b - d) >= 0 for a, b in pairs for c, d in pairs)
    # SciPy warns about nothing to rank; there is no tau then.
    alike = len(set(ours)) == 1 or len(set(theirs)) == 1
    return Agreement(len(pairs), math.nan if alike else float(kendalltau(ours, theirs).statistic), agrees)
