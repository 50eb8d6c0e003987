"""The paper's wide layout, before any markup: tasks down, expert shares and methods across, published numbers below."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Literal

import pandas as pd

from analysis.cells import METRICS, Cell, Column, Metric, averages, cells, columns, common_tasks, drops
from analysis.wording import AVERAGE, caption, number

DROP = "Avg. Perf. Drop"
PUBLISHED = "published"
WIDEST = 6
"""Columns that a page holds beside the task."""


@dataclass(frozen=True)
class Entry:
    """One cell as text. ``star`` and ``note`` (a letter) are set as superscripts."""

    text: str = ""
    bold: bool = False
    star: str = ""
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A line of a block. Renderers set published lines smaller and rule the summary off."""

    name: str
    kind: Literal["task", "summary", "published"]
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Block:
    """As many columns as a page holds."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Layout:
    """A table, its caption in sentences, and the notes that its letters point to."""

    caption: tuple[str, ...]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]


def layout(frame: pd.DataFrame, metric: str, title: str) -> Layout:
    """The wide table of a frame with one row per expected run. Raises :class:`ValueError` if it mixes scales."""
    made = cells(frame, metric)
    over = columns(made)
    letters = _letters(made)
    tasks = common_tasks(_means(made), over) if METRICS[metric].averaged else []
    blocks = tuple(_block(made, part, METRICS[metric], letters, tasks) for part in _split(over))
    notes = tuple(f"{letter} {gap}" for gap, letter in letters.items())
    return Layout((f"{title.rstrip('.')}.", *caption(frame, metric, made, tasks)), blocks, notes)


def _block(
    made: list[Cell], part: tuple[Column, ...], metric: Metric, letters: Mapping[str, str], tasks: list[str]
) -> Block:
    at = {(c.task, c.expert_share, c.label): c for c in made}
    rows: list[Row] = []
    for task in dict.fromkeys(cell.task for cell in made):
        line = [at.get((task, *column)) for column in part]
        rows.append(Row(task, "task", tuple(_entry(cell, metric, letters) for cell in line)))
        printed = [cell.published if cell else None for cell in line]
        if any(printed):
            entries = tuple(Entry(number(*value, metric.digits)) if value else Entry() for value in printed)
            rows.append(Row(PUBLISHED, "published", entries))
    return Block(part, (*rows, *_summary(made, part, metric, tasks)))


def _summary(made: list[Cell], part: tuple[Column, ...], metric: Metric, tasks: list[str]) -> list[Row]:
    """The averages and their drops, ours and the paper's over the same tasks."""
    if not tasks:
        return []
    over = columns(made)
    ours = averages(_means(made), tasks, over)
    printed = {
        task: {(c.expert_share, c.label): c.published[0] for c in made if c.task == task and c.published}
        for task in tasks
    }
    theirs = averages(printed, tasks, [c for c in over if all(c in printed[task] for task in tasks)])
    rows = _pair(AVERAGE, ours, theirs, part, f"{{:.{metric.digits}f}}")
    if len({share for share, _ in over}) > 1:
        rows += _pair(DROP, drops(ours), drops(theirs) if theirs else {}, part, "{:.1f}%")
    return rows


def _pair(
    name: str, ours: Mapping[Column, float], theirs: Mapping[Column, float], part: Iterable[Column], form: str
) -> list[Row]:
    def row(label: str, kind: Literal["summary", "published"], values: Mapping[Column, float]) -> Row:
        found = [values.get(column, math.nan) for column in part]
        return Row(label, kind, tuple(Entry("" if math.isnan(v) else form.format(v)) for v in found))

    lines = [row(name, "summary", ours)]
    return [*lines, row(PUBLISHED, "published", theirs)] if any(column in theirs for column in part) else lines


def _entry(cell: Cell | None, metric: Metric, letters: Mapping[str, str]) -> Entry:
    if cell is None:
        return Entry()  # nobody declared it, so it is not missing
    text = number(cell.mean, cell.std, metric.digits)
    return Entry(text, cell.best, cell.star, letters.get(cell.gap, ""))


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
        means.setdefault(cell.task, {})[cell.expert_share, cell.label] = cell.mean
    return means
