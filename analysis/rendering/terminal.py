"""A :class:`analysis.rendering.layout.Layout` for a terminal: one line a cell."""

from __future__ import annotations

import math

from rich.table import Table
from rich.text import Text

from analysis.frames.cells import Cell
from analysis.frames.metrics import METRICS
from analysis.frames.rank_agreement import Agreement, agreements
from analysis.rendering.captions import AVERAGE, DOUBT, number, probability, tau
from analysis.rendering.layout import Layout
from smore_sweep.spec import percent

WIDTH = 100
"""Columns that a table needs, and gets where the output is no terminal; ``COMPARED`` more with a comparison."""
COMPARED = 24


def width(layout: Layout) -> int:
    """Columns that a table needs."""
    return WIDTH + COMPARED * layout.compare


def table(layout: Layout) -> Table:
    """In at most :func:`width` columns."""
    said = [sentence for sentence in layout.caption[1:] if AVERAGE not in sentence]  # no row shows one here
    made = Table(title=Text(layout.caption[0]), caption=Text(" ".join(said)), caption_justify="left")
    for name in ("task", "expert", "method"):
        made.add_column(name)
    for name in ("mean ± std", "seeds", "p", "published", *(("ratio", "order") if layout.compare else ())):
        made.add_column(name, justify="right", no_wrap=True)
    found = agreements(layout.cells)
    previous, line = None, 0
    for cell in layout.cells:
        here = (cell.task, cell.expert_share)
        if previous not in (None, here):
            made.add_section()
        line = line + 1 if previous == here else 0
        made.add_row(
            *((cell.task, percent(cell.expert_share)) if line == 0 else ("", "")),
            Text(layout.name(cell.label)),
            *_numbers(cell, METRICS[layout.metric].digits),
            *(_compared(cell, line, found.get((cell.task, cell.column[0]))) if layout.compare else ()),
        )
        previous = here
    return made


def _numbers(cell: Cell, digits: int) -> tuple[Text | str, ...]:
    printed = cell.published
    return (
        Text(number(cell.mean, cell.std, digits), style="bold" if cell.best else ""),
        f"{cell.seeds}/{cell.expected}" + (f" ({cell.diverged} diverged)" if cell.diverged else ""),
        f"{probability(cell.p)} {cell.star or ' '}",
        (number(printed.mean, printed.std, digits) + (f" {DOUBT}" if printed.doubtful else "")) if printed else "",
    )


def _compared(cell: Cell, line: int, found: Agreement | None) -> tuple[str, str]:
    """The ratio, and what there is to say about the order in the first two lines of a task."""
    said = (f"tau {tau(found.tau)}", found.order) if found else ()
    return "" if math.isnan(cell.ratio) else f"{cell.ratio:.2f}", said[line] if line < len(said) else ""
