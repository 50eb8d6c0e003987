"""Agreement between our order of the methods and the paper's."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from scipy.stats import kendalltau

from analysis.frames.cells import Cell


@dataclass(frozen=True)
class Agreement:
    """Rank agreement on one task at one share.

    ``tau`` is Kendall's tau-b, which allows for ties, between our means and the published ones of ``methods`` methods;
    NaN if all means on one side are equal. ``agrees``: no two methods are in the opposite order.
    """

    methods: int
    tau: float
    agrees: bool

    @property
    def order(self) -> str:
        """``agrees`` or ``differs``"""
        return "agrees" if self.agrees else "differs"


def agreements(cells: Iterable[Cell]) -> dict[tuple[str, float | None], Agreement]:
    """Compute the agreements by task and column's share, where two methods or more have a mean of ours and a published
    one that is not doubtful."""
    means: dict[tuple[str, float | None], list[tuple[float, float]]] = defaultdict(list)
    for cell in cells:
        if cell.sure and cell.seeds:
            means[cell.task, cell.column[0]].append((cell.mean, cell.sure.mean))
    return {key: _agreement(pairs) for key, pairs in means.items() if len(pairs) > 1}


def _agreement(pairs: list[tuple[float, float]]) -> Agreement:
    ours, theirs = zip(*pairs, strict=True)
    agrees = all((a - c) * (b - d) >= 0 for a, b in pairs for c, d in pairs)
    # There is no tau without anything to rank, and SciPy would warn.
    constant = len(set(ours)) == 1 or len(set(theirs)) == 1
    return Agreement(len(pairs), math.nan if constant else float(kendalltau(ours, theirs).statistic), agrees)
