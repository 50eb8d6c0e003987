"""The paper's wide layout, before any markup: tasks down, expert shares and methods across, published numbers below.

Renderers turn a :class:`Layout` into LaTeX, Markdown, HTML and terminal tables.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from string import ascii_lowercase
from typing import Literal

import pandas as pd

from analysis.frames.cells import Cell, Column, averages, cells, columns, common_tasks, drops
from analysis.frames.metrics import METRICS, Metric
from analysis.frames.rank_agreement import Agreement, agreements
from analysis.paper.published import heading, tasks_in_print
from analysis.paper.tables import PaperTable
from analysis.rendering.captions import AVERAGE, DOUBT, caption, comparable, number, tau
from smore_sweep.run_spec import percent

DROP = "Avg. Perf. Drop"
PUBLISHED = "published"
RATIO = "ours / published"
WIDEST = 7
"""Columns that fit on a page beside the task."""


@dataclass(frozen=True)
class Entry:
    """One cell as text. ``star`` (or a question mark) and ``note`` (a letter) are set as superscripts."""

    text: str = ""
    bold: bool = False
    star: str = ""
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a block. Renderers set published rows smaller and rule the summary off."""

    name: str
    kind: Literal["task", "summary", "published", "agreement"]
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Head:
    """Headings of a column, from top to bottom: expert share and group of methods (either may be empty), name."""

    share: str
    group: str
    name: str


@dataclass(frozen=True)
class Block:
    """As many columns as fit on a page."""

    heads: tuple[Head, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Layout:
    """A table with its caption in sentences, the notes to its letters, and the cells that it is made of."""

    caption: tuple[str, ...]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]
    scale: str
    source: str
    metric: str
    cells: tuple[Cell, ...]
    table: PaperTable | None = None
    compare: bool = False
    names: Mapping[str, str] = field(default_factory=dict)

    def name(self, label: str) -> str:
        """Return a method's name: that of the paper's table, if this is one."""
        return heading(self.table.number, label) if self.table else self.names.get(label, label)


def layout(
    frame: pd.DataFrame,
    metric: str,
    title: str,
    *,
    table: PaperTable | None = None,
    holm: bool = False,
    compare: bool = False,
    names: Mapping[str, str] | None = None,
    widest: int = WIDEST,
) -> Layout:
    """Lay out a frame as a wide table.

    Args:
        frame: One row per expected run.
        metric: Name of the outcome.
        title: First sentence of the caption.
        table: A table of the paper, whose runs and columns are shown; None for all runs.
        holm: Correct the tests for their number.
        compare: Add ratios to the published means, and whether the orders agree.
        names: Names to show in place of labels (:func:`analysis.frames.series.series_names`).
        widest: Most columns of a block with one expert share.

    Raises:
        ValueError: The frame mixes scales.
    """
    if table:
        frame, title = table.select(frame), f"Table {table.number} of the paper: {title}"
    own = cells(frame, metric, table=table.number if table else "", holm=holm)
    over = columns(own)
    letters = _letters(own)
    tasks = common_tasks(_means(own), over) if comparable(frame, METRICS[metric]) else []
    remarks = _remarks(table, frame) if table else []
    first, *sentences = caption(frame, metric, own, tasks, holm=holm, compare=compare)
    empty = Layout(
        caption=(f"{title.rstrip('.')}.", first, *remarks, *sentences),
        blocks=(),
        notes=tuple(f"{letter} {gap}" for gap, letter in letters.items()),
        scale=str(frame["scale"].iloc[0]),
        source=str(frame["source"].iloc[0]),
        metric=metric,
        cells=tuple(own),
        table=table,
        compare=compare,
        names=names or {},
    )
    blocks = [_block(empty, part, letters, tasks) for part in _split(over, widest)]
    return replace(empty, blocks=(*blocks, *(_agreement(own) if compare else [])))


def _remarks(table: PaperTable, frame: pd.DataFrame) -> list[str]:
    """Sentences about differences from the printed table."""
    absent = [task for task in tasks_in_print(table.number) if task not in set(frame["task"])]
    left_out = [f"Tasks of the printed table that are not in ours: {', '.join(absent)}."] if absent else []
    return [table.remark, *left_out] if table.remark else left_out


def _block(layout: Layout, part: tuple[Column, ...], letters: Mapping[str, str], tasks: list[str]) -> Block:
    metric = METRICS[layout.metric]
    by_column = {(cell.task, *cell.column): cell for cell in layout.cells}
    rows: list[Row] = []
    for task in dict.fromkeys(cell.task for cell in layout.cells):
        line = [by_column.get((task, *column)) for column in part]
        rows.append(Row(task, "task", tuple(_entry(cell, metric, letters) for cell in line)))
        if any(cell and cell.published for cell in line):
            rows.append(Row(PUBLISHED, "published", tuple(_printed(cell, metric) for cell in line)))
            ratios = [cell.ratio if cell else math.nan for cell in line]
            if layout.compare and not all(map(math.isnan, ratios)):
                rows.append(_row(RATIO, "published", ratios, "{:.2f}"))
    return Block(_heads(layout, part), (*rows, *_summary(layout, part, tasks)))


def _heads(layout: Layout, part: Iterable[Column]) -> tuple[Head, ...]:
    return tuple(
        Head(_share(share), layout.table.group(label) if layout.table else "", layout.name(label))
        for share, label in part
    )


def _share(share: float | None) -> str:
    return "" if share is None else f"{percent(share)} expert"


def _summary(layout: Layout, part: tuple[Column, ...], tasks: list[str]) -> list[Row]:
    """Rows of the averages and their drops, ours and the paper's over the same tasks."""
    if not tasks:
        return []
    over = columns(layout.cells)
    ours = averages(_means(layout.cells), tasks, over)
    printed = {task: {c.column: c.sure.mean for c in layout.cells if c.task == task and c.sure} for task in tasks}
    theirs = averages(printed, tasks, [c for c in over if all(c in printed[task] for task in tasks)])
    rows = _pair(AVERAGE, ours, theirs, part, f"{{:.{METRICS[layout.metric].digits}f}}")
    if layout.compare and len(rows) > 1:
        ratios = [ours[c] / theirs[c] if theirs.get(c) else math.nan for c in part]
        rows.append(_row(RATIO, "published", ratios, "{:.2f}"))
    shares = {share or 0.0 for share, _ in over}
    if len(shares) > 1:
        rows += _pair(DROP, drops(ours, max(shares)), drops(theirs, max(shares)), part, "{:.1f}%")
    return rows


def _agreement(own: list[Cell]) -> list[Block]:
    """Three columns per expert share: number of methods, Kendall's tau, whether the order agrees."""
    by_key = agreements(own)
    shares = list(dict.fromkeys(share for share, _ in columns(own) if any(key[1] == share for key in by_key)))
    rows = [
        Row(task, "agreement", tuple(entry for share in shares for entry in _compared(by_key.get((task, share)))))
        for task in dict.fromkeys(task for task, _ in by_key)
    ]
    heads = [Head(_share(share), "", name) for share in shares for name in ("methods", "Kendall's tau", "order")]
    return [Block(tuple(heads), tuple(rows))] if rows else []


def _compared(agreement: Agreement | None) -> tuple[Entry, Entry, Entry]:
    if agreement is None:
        return Entry(), Entry(), Entry()
    return Entry(str(agreement.methods)), Entry(tau(agreement.tau)), Entry(agreement.order)


def _pair(
    name: str, ours: Mapping[Column, float], theirs: Mapping[Column, float], part: tuple[Column, ...], form: str
) -> list[Row]:
    lines = [_row(name, "summary", [ours.get(column, math.nan) for column in part], form)]
    if not all(math.isnan(theirs.get(column, math.nan)) for column in part):
        lines.append(_row(PUBLISHED, "published", [theirs.get(column, math.nan) for column in part], form))
    return lines


def _row(name: str, kind: Literal["summary", "published"], values: Iterable[float], form: str) -> Row:
    return Row(name, kind, tuple(Entry("" if math.isnan(value) else form.format(value)) for value in values))


def _entry(cell: Cell | None, metric: Metric, letters: Mapping[str, str]) -> Entry:
    if cell is None:
        return Entry()  # not declared, so not missing
    text = number(cell.mean, cell.std, metric.digits)
    return Entry(text, cell.best, cell.star, letters.get(cell.gap, ""))


def _printed(cell: Cell | None, metric: Metric) -> Entry:
    if cell is None or cell.published is None:
        return Entry()
    printed = cell.published
    return Entry(number(printed.mean, printed.std, metric.digits), star=DOUBT if printed.doubtful else "")


def _split(over: list[Column], widest: int) -> list[tuple[Column, ...]]:
    """Put whole shares side by side while they fit, and cut a share that is too wide alone into equal parts."""
    blocks: list[tuple[Column, ...]] = []
    for share in dict.fromkeys(share for share, _ in over):
        group = tuple(column for column in over if column[0] == share)
        if blocks and len(blocks[-1]) + len(group) <= WIDEST:
            blocks[-1] += group
        else:
            size = math.ceil(len(group) / math.ceil(len(group) / widest))
            blocks += [group[start : start + size] for start in range(0, len(group), size)]
    return blocks


def _letters(own: list[Cell]) -> dict[str, str]:
    """Assign a letter to each distinct gap, in reading order."""
    gaps = dict.fromkeys(cell.gap for cell in own if cell.gap)
    return {gap: ascii_lowercase[i % 26] * (1 + i // 26) for i, gap in enumerate(gaps)}


def _means(own: Iterable[Cell]) -> dict[str, dict[Column, float]]:
    means: dict[str, dict[Column, float]] = {}
    for cell in own:
        means.setdefault(cell.task, {})[cell.column] = cell.mean
    return means
