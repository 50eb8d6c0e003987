"""When to look at a comparison, and at which level: a rule for adding seeds to what is undecided.

A claim is looked at with the scale's number of seeds, and again with twice and four times as many where it is open.
Each look spends a part of :data:`~analysis.stats.contrast.LEVEL`, and the parts add up to it. By the union bound over
the looks, and Holm's correction within each, the chance that any comparison of a claim is decided wrongly is at most
that level, wherever one stops. Nearly all of it is spent on the first look; the later ones have the seeds to reach a
small level. The bound holds for looks at these numbers of seeds only, so a look is at the first so many seeds of either
side: further seeds of one side alone change nothing.
"""

from __future__ import annotations

LOOKS = (1, 2, 4)
"""Numbers of seeds, in units of the scale's."""
SPENT = (0.048, 0.001, 0.001)
"""Level of each look."""


def level(seeds: int, first: int) -> float:
    """Return the level of a comparison with ``seeds`` on either side, if the first look is at ``first`` seeds."""
    return SPENT[max(0, sum(seeds >= times * first for times in LOOKS) - 1)]


def next_look(seeds: int, first: int) -> int | None:
    """Return the number of seeds of the look after one at ``seeds``; None after the last."""
    return next((times * first for times in LOOKS if times * first > seeds), None)
