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


def set_ticks(panel: Axes, texts: Mapping[float, str], inches: float, *, log: bool, named: bool) -> None:
    """Set the ticks at the positions of ``texts``, which ascend, with the texts that fit.

    Args:
        panel: Axes that hold their lines already.
        texts: Text by position.
        inches: Width of the panel.
        log: Whether the axis is logarithmic.
        named: Whether the texts are names, which nobody can fill in between others: they stand upright unless all fit.
    """
    if log:
        panel.set_xscale("log")
    place = math.log10 if log else float
    reach = place(max(texts)) - place(min(texts)) or 1.0
    places = {position: place(position) / reach * inches for position in texts}
    wide = {position: CHARACTER * (len(text) + 1) for position, text in texts.items()}
    shown = _fitting(places, wide)
    if sum(wide.values()) > 2 * inches or (named and len(shown) < len(texts)):
        panel.tick_params("x", labelrotation=90)
        shown = _fitting(places, dict.fromkeys(texts, 2 * CHARACTER))
    panel.set_xticks(list(texts), [texts[position] if position in shown else "" for position in texts])
    panel.minorticks_off()


def _fitting(places: Mapping[float, float], wide: Mapping[float, float]) -> list[float]:
    """Return the positions whose texts fit side by side, from the first on, given places and widths in inches."""
    shown: list[float] = []
    for position, at in places.items():
        if not shown or abs(at - places[shown[-1]]) >= (wide[position] + wide[shown[-1]]) / 2:
            shown.append(position)
    return shown
