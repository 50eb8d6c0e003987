"""A :class:`analysis.rendering.layout.Layout` for a terminal: one line per cell."""

from __future__ import annotations

import math

from rich.table import Table
from rich.text import Text

from analysis.frames.cells import Cell
from analysis.frames.metrics import METRICS
from analysis.frames.rank_agreement import Agreement, agreements
from analysis.rendering.captions import AVERAGE, DOUBT, number, probability, tau
from analysis.rendering.layout import Layout
from smore_sweep.run_spec import share_of

WIDTH = 100
"""Characters per line of a table, which needs ``COMPARED`` more with a comparison."""
COMPARED = 24


def width(layout: Layout) -> int:
    """Return the characters per line that a table needs."""
    return WIDTH + COMPARED * layout.compare


def table(layout: Layout) -> Table:
    """Build the table, at most :func:`width` characters wide."""
    sentences = [sentence for sentence in layout.caption[1:] if AVERAGE not in sentence]  # no row shows one here
    rich_table = Table(title=Text(layout.caption[0]), caption=Text(" ".join(sentences)), caption_justify="left")
    for name in ("task", "expert", "method"):
        rich_table.add_column(name)
    for name in ("mean ± std", "seeds", "p", "published", *(("ratio", "order") if layout.compare else ())):
        rich_table.add_column(name, justify="right", no_wrap=True)
    by_key = agreements(layout.cells)
    previous, line = None, 0
    for cell in layout.cells:
        here = (cell.task, cell.expert_share)
        if previous not in (None, here):
            rich_table.add_section()
        line = line + 1 if previous == here else 0
        rich_table.add_row(
            *((cell.task, share_of(cell.task, cell.expert_share)) if line == 0 else ("", "")),
            Text(layout.name(cell.label)),
            *_numbers(cell, METRICS[layout.metric].digits),
            *(_compared(cell, line, by_key.get((cell.task, cell.column[0]))) if layout.compare else ()),
        )
        previous = here
    return rich_table


def _numbers(cell: Cell, digits: int) -> tuple[Text | str, ...]:
    printed = cell.published
    return (
        Text(number(cell.mean, cell.std, digits), style="bold" if cell.best else ""),
        f"{cell.seeds}/{cell.expected}" + (f" ({cell.diverged} diverged)" if cell.diverged else ""),
        f"{probability(cell.p)} {cell.star or ' '}",
        (number(printed.mean, printed.std, digits) + (f" {DOUBT}" if printed.doubtful else "")) if printed else "",
    )


def _compared(cell: Cell, line: int, agreement: Agreement | None) -> tuple[str, str]:
    """The ratio, and beside the first two lines of a task tau and order."""
    notes = (f"tau {tau(agreement.tau)}", agreement.order) if agreement else ()
    return "" if math.isnan(cell.ratio) else f"{cell.ratio:.2f}", notes[line] if line < len(notes) else ""
