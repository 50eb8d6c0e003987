"""The paper's wide layout, before any markup: tasks down, expert shares and methods across, published numbers below."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from string import ascii_lowercase
from typing import Literal

import pandas as pd

from analysis.frames.cells import Cell, Column, averages, cells, columns, common_tasks, drops
from analysis.frames.metrics import METRICS, Metric
from analysis.frames.rank_agreement import Agreement, agreements
from analysis.paper.published import heading, tasks_in_print
from analysis.paper.tables import PaperTable
from analysis.rendering.captions import AVERAGE, DOUBT, caption, comparable, number, tau
from smore_sweep.spec import percent

DROP = "Avg. Perf. Drop"
PUBLISHED = "published"
RATIO = "ours / published"
WIDEST = 7
"""Columns that a page holds beside the task."""


@dataclass(frozen=True)
class Entry:
    """One cell as text. ``star`` (or a question mark) and ``note`` (a letter) are set as superscripts."""

    text: str = ""
    bold: bool = False
    star: str = ""
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A line of a block. Renderers set published lines smaller, rule the summary off, and centre the agreement."""

    name: str
    kind: Literal["task", "summary", "published", "agreement"]
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Head:
    """What stands above a column, from top to bottom: its expert share and group of methods (or nothing), its name."""

    share: str
    group: str
    name: str


@dataclass(frozen=True)
class Block:
    """As many columns as a page holds."""

    heads: tuple[Head, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Layout:
    """A table, its caption in sentences, and the notes that its letters point to; and the cells it was made of."""

    caption: tuple[str, ...]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]
    scale: str
    source: str
    metric: str
    cells: tuple[Cell, ...]
    table: PaperTable | None = None
    compare: bool = False

    def name(self, label: str) -> str:
        """What a method is called: as in the paper's table, if it is one of those."""
        return heading(self.table.number, label) if self.table else label


def layout(
    frame: pd.DataFrame,
    metric: str,
    title: str,
    *,
    table: PaperTable | None = None,
    holm: bool = False,
    compare: bool = False,
) -> Layout:
    """The wide table of a frame with one row per expected run: all of it or, in the columns of a ``table`` of the
    paper, what that shows. ``holm`` corrects the tests for their number, ``compare`` adds ratios to the published means
    and whether the orders agree. Raises :class:`ValueError` if the frame mixes scales."""
    if table:
        frame, title = table.select(frame), f"Table {table.number} of the paper: {title}"
    made = cells(frame, metric, table=table.number if table else "", holm=holm)
    over = columns(made)
    letters = _letters(made)
    tasks = common_tasks(_means(made), over) if comparable(frame, METRICS[metric]) else []
    remarks = _remarks(table, frame) if table else []
    what, *sentences = caption(frame, metric, made, tasks, holm=holm, compare=compare)
    shown = Layout(
        caption=(f"{title.rstrip('.')}.", what, *remarks, *sentences),
        blocks=(),
        notes=tuple(f"{letter} {gap}" for gap, letter in letters.items()),
        scale=str(frame["scale"].iloc[0]),
        source=str(frame["source"].iloc[0]),
        metric=metric,
        cells=tuple(made),
        table=table,
        compare=compare,
    )
    blocks = [_block(shown, part, letters, tasks) for part in _split(over)]
    return replace(shown, blocks=(*blocks, *(_agreement(made) if compare else [])))


def _remarks(table: PaperTable, frame: pd.DataFrame) -> list[str]:
    """How the table differs from the printed one."""
    absent = [task for task in tasks_in_print(table.number) if task not in set(frame["task"])]
    left_out = [f"Tasks of the printed table that are not in ours: {', '.join(absent)}."] if absent else []
    return [table.remark, *left_out] if table.remark else left_out


def _block(shown: Layout, part: tuple[Column, ...], letters: Mapping[str, str], tasks: list[str]) -> Block:
    made, metric = shown.cells, METRICS[shown.metric]
    at = {(cell.task, *cell.column): cell for cell in made}
    rows: list[Row] = []
    for task in dict.fromkeys(cell.task for cell in made):
        line = [at.get((task, *column)) for column in part]
        rows.append(Row(task, "task", tuple(_entry(cell, metric, letters) for cell in line)))
        if any(cell and cell.published for cell in line):
            rows.append(Row(PUBLISHED, "published", tuple(_printed(cell, metric) for cell in line)))
            ratios = [cell.ratio if cell else math.nan for cell in line]
            if shown.compare and not all(map(math.isnan, ratios)):
                rows.append(_row(RATIO, "published", ratios, "{:.2f}"))
    return Block(_heads(shown, part), (*rows, *_summary(shown, part, tasks)))


def _heads(shown: Layout, part: Iterable[Column]) -> tuple[Head, ...]:
    return tuple(
        Head(_share(share), shown.table.group(label) if shown.table else "", shown.name(label)) for share, label in part
    )


def _share(share: float | None) -> str:
    return "" if share is None else f"{percent(share)} expert"


def _summary(shown: Layout, part: tuple[Column, ...], tasks: list[str]) -> list[Row]:
    """The averages and their drops, ours and the paper's over the same tasks."""
    if not tasks:
        return []
    made = shown.cells
    over = columns(made)
    ours = averages(_means(made), tasks, over)
    printed = {task: {c.column: c.sure.mean for c in made if c.task == task and c.sure} for task in tasks}
    theirs = averages(printed, tasks, [c for c in over if all(c in printed[task] for task in tasks)])
    rows = _pair(AVERAGE, ours, theirs, part, f"{{:.{METRICS[shown.metric].digits}f}}")
    if shown.compare and len(rows) > 1:
        ratios = [ours[c] / theirs[c] if theirs.get(c) else math.nan for c in part]
        rows.append(_row(RATIO, "published", ratios, "{:.2f}"))
    if len({share for share, _ in over}) > 1:
        rows += _pair(DROP, drops(ours), drops(theirs) if theirs else {}, part, "{:.1f}%")
    return rows


def _agreement(made: list[Cell]) -> list[Block]:
    """Three columns for each expert share: methods compared, Kendall's tau, whether the order agrees."""
    found = agreements(made)
    shares = list(dict.fromkeys(share for share, _ in columns(made) if any(key[1] == share for key in found)))
    rows = [
        Row(task, "agreement", tuple(entry for share in shares for entry in _compared(found.get((task, share)))))
        for task in dict.fromkeys(task for task, _ in found)
    ]
    heads = [Head(_share(share), "", name) for share in shares for name in ("methods", "Kendall's tau", "order")]
    return [Block(tuple(heads), tuple(rows))] if rows else []


def _compared(found: Agreement | None) -> tuple[Entry, Entry, Entry]:
    if found is None:
        return Entry(), Entry(), Entry()
    return Entry(str(found.methods)), Entry(tau(found.tau)), Entry(found.order)


def _pair(
    name: str, ours: Mapping[Column, float], theirs: Mapping[Column, float], part: tuple[Column, ...], form: str
) -> list[Row]:
    lines = [_row(name, "summary", [ours.get(column, math.nan) for column in part], form)]
    if any(column in theirs for column in part):
        lines.append(_row(PUBLISHED, "published", [theirs.get(column, math.nan) for column in part], form))
    return lines


def _row(name: str, kind: Literal["summary", "published"], values: Iterable[float], form: str) -> Row:
    return Row(name, kind, tuple(Entry("" if math.isnan(value) else form.format(value)) for value in values))


def _entry(cell: Cell | None, metric: Metric, letters: Mapping[str, str]) -> Entry:
    if cell is None:
        return Entry()  # nobody declared it, so it is not missing
    text = number(cell.mean, cell.std, metric.digits)
    return Entry(text, cell.best, cell.star, letters.get(cell.gap, ""))


def _printed(cell: Cell | None, metric: Metric) -> Entry:
    if cell is None or cell.published is None:
        return Entry()
    found = cell.published
    return Entry(number(found.mean, found.std, metric.digits), star=DOUBT if found.doubtful else "")


def _split(over: list[Column]) -> list[tuple[Column, ...]]:
    """Whole shares side by side while they fit; a share that is too wide alone is cut."""
    blocks: list[tuple[Column, ...]] = []
    for share in dict.fromkeys(share for share, _ in over):
        group = tuple(column for column in over if column[0] == share)
        if blocks and len(blocks[-1]) + len(group) <= WIDEST:
            blocks[-1] += group
        else:
            blocks += [group[start : start + WIDEST] for start in range(0, len(group), WIDEST)]
    return blocks


def _letters(made: list[Cell]) -> dict[str, str]:
    """A letter for each different gap, in reading order."""
    gaps = dict.fromkeys(cell.gap for cell in made if cell.gap)
    return {gap: ascii_lowercase[i % 26] * (1 + i // 26) for i, gap in enumerate(gaps)}


def _means(made: Iterable[Cell]) -> dict[str, dict[Column, float]]:
    means: dict[str, dict[Column, float]] = {}
    for cell in made:
        means.setdefault(cell.task, {})[cell.column] = cell.mean
    return means
