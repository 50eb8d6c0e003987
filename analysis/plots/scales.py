"""Axes on which differences show: spacing and ticks of the horizontal one, limits of the vertical one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE = 8.0
"""Ratio of the largest to the smallest value from which an axis is logarithmic."""
NARROW = 1 / 25
"""Smallest gap between values, as a part of their range, that can be seen on a linear axis."""
CHARACTER = 0.068
"""Inches of a character of a tick's text."""


def spacing(values: Sequence[float]) -> Literal["linear", "log", "even"]:
    """Choose the spacing of an axis for ascending values: ``even`` puts them at equal distances."""
    if len(values) < 3:
        return "linear"
    if values[0] > 0 and values[-1] >= WIDE * values[0]:
        return "log"
    gaps = [high - low for low, high in itertools.pairwise(values)]
    return "even" if min(gaps) < NARROW * (values[-1] - values[0]) else "linear"


def limits(low: float, high: float) -> tuple[float, float]:
    """Choose the ends of an axis of values from ``low`` to ``high``: from 0, unless that hides their differences."""
    if not math.isfinite(high):
        return 0.0, 1.0
    if low < high / 2:
        return 0.0, 1.05 * high
    margin = 0.05 * (high - low) or 0.05 * high
    return (low - margin, high + margin) if margin else (0.0, 1.0)


def set_ticks(panel: Axes, texts: Mapping[float, str], inches: float, *, log: bool) -> None:
    """Set the ticks at the positions of ``texts``, which ascend, with the texts that fit.

    Args:
        panel: Axes that hold their lines already.
        texts: Text by position.
        inches: Width of the panel.
        log: Whether the axis is logarithmic.
    """
    if log:
        panel.set_xscale("log")
    place = math.log10 if log else float
    reach = place(max(texts)) - place(min(texts)) or 1.0
    if sum(len(text) + 1 for text in texts.values()) * CHARACTER > 2 * inches:
        panel.tick_params("x", labelrotation=90)
        wide = dict.fromkeys(texts, 2 * CHARACTER)
    else:
        wide = {position: CHARACTER * (len(text) + 1) for position, text in texts.items()}
    shown: list[float] = []
    for position in texts:
        room = abs(place(position) - place(shown[-1])) / reach * inches if shown else math.inf
        if room >= (wide[position] + wide[shown[-1] if shown else position]) / 2:
            shown.append(position)
    panel.set_xticks(list(texts), [texts[position] if position in shown else "" for position in texts])
    panel.minorticks_off()
