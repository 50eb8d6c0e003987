"""Style of figures in print: sizes, fonts, and a colour, marker and line style per method.

A method looks the same in every figure, and can be told apart in grey and by the colour-blind. Matplotlib is imported
late, when a figure is needed.
"""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ONE_COLUMN, TWO_COLUMNS = 3.3, 6.8
"""Widths in inches of a column and of a page."""

FOOTER_SIZE = 6.5
RC: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E0E0E0",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.handlelength": 3.2,
    "pdf.fonttype": 42,  # text stays text: journals refuse Type 3
}


@dataclass(frozen=True)
class Look:
    """Colour, marker and line style of one method."""

    colour: str
    marker: str
    dashes: tuple[float, ...] | None = None
    """On and off lengths in line widths; None for a solid line."""

    def line(self) -> dict[str, Any]:
        """Return arguments for matplotlib's ``plot``."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "linestyle": (0, self.dashes) if self.dashes else "-",
            "markeredgecolor": self.colour,
        }


# The first seven are the palette of Okabe and Ito (2008) without its yellow, which is too pale for a line; the rest are
# grey and from Paul Tol's muted palette.
LOOKS: Mapping[str, Look] = {
    "SMORe": Look("#0072B2", "o"),
    "GoFAR": Look("#D55E00", "s", (5, 1.5)),
    "WGCSL": Look("#009E73", "^", (3, 1, 1, 1)),
    "GCSL": Look("#E69F00", "v", (1.5, 1)),
    "CRL": Look("#CC79A7", "D", (6, 1, 1, 1, 1, 1)),
    "AM": Look("#56B4E9", "P", (2.5, 1)),
    "GC-IQL": Look("#000000", "X", (1, 1.5)),
    "GC-SQL": Look("#882255", "<", (4, 1, 1, 1)),
    "GC-EQL": Look("#999933", ">", (7, 1.5)),
    "GC-XQL": Look("#332288", "d", (2, 2)),
    "DDPG+HER": Look("#888888", "*", (5, 1, 2, 1)),
}
SPARE = (Look("#AA4499", "h", (8, 2)), Look("#661100", "p", (3, 2)), Look("#117733", "H", (1, 1, 4, 1)))
"""Looks of the first methods that are not in ``LOOKS``; :func:`_spare` has more."""


def looks(names: Iterable[str]) -> dict[str, Look]:
    """Assign a look to each method, no two alike for some hundred methods."""
    spare = _spare()
    return {name: LOOKS[name] if name in LOOKS else next(spare) for name in dict.fromkeys(names)}


def _spare() -> Iterator[Look]:
    """Yield looks that no method of ``LOOKS`` has.

    Neighbours differ in colour, marker and dashes. Colours and markers are coprime in number, so their pairs repeat
    late only.
    """
    known = [*LOOKS.values(), *SPARE]
    yield from SPARE
    colours = [look.colour for look in known[3:]]
    markers = [look.marker for look in known]
    dashes = [look.dashes for look in known if look.dashes is None or len(look.dashes) == 2]
    cycles = itertools.cycle(colours), itertools.cycle(markers), itertools.cycle(dashes)
    for colour, marker, dash in zip(*cycles, strict=False):
        if (look := Look(colour, marker, dash)) not in known:
            yield look


def printed() -> AbstractContextManager[None]:
    """Return the context in which figures are drawn and saved, with our fonts and lines."""
    import matplotlib

    return matplotlib.rc_context(RC)


def figure(width: float, height: float) -> Figure:
    """Create an empty figure, in inches. It belongs to no window, and needs no closing."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def legend(on: Figure, shown: Mapping[str, Look]) -> None:
    """Add one legend above all panels; the figure grows by its height."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], label=name, **look.line()) for name, look in shown.items()]
    widest = max(1.05, 0.5 + 0.058 * max(map(len, shown)))  # inches: a line, and about 17 characters per inch
    rows = math.ceil(len(handles) / max(1, int(on.get_figwidth() / widest)))
    across = math.ceil(len(handles) / rows)
    on.legend(handles=handles, loc="outside upper center", ncols=across, columnspacing=1.2)
    on.set_figheight(on.get_figheight() + 0.17 * rows + 0.1)


def footer(on: Figure, sentences: Iterable[str]) -> None:
    """Add small print below all panels; the figure grows by its height."""
    wide = int(19 * on.get_figwidth())  # about 19 characters of this size per inch
    text = textwrap.fill(" ".join(sentences), wide, break_on_hyphens=False)
    on.set_figheight(on.get_figheight() + _footer_height(text))
    on.supxlabel(text, fontsize=FOOTER_SIZE, x=0.01, ha="left", color="#404040")


def take_footer(on: Figure) -> str:
    """Remove the small print from a figure, which shrinks by its height, and return it as one line."""
    text = str(on.get_supxlabel())
    on.set_figheight(on.get_figheight() - _footer_height(text))
    on.supxlabel("")
    return " ".join(text.split())


def _footer_height(text: str) -> float:
    return 0.108 * (text.count("\n") + 1) + 0.08
