"""Tables rebuilt byte for byte from a small committed frame of made-up runs.

After an intended change, look at the new files that ``python -m tests.golden.test_tables`` writes, and commit them."""

from __future__ import annotations

import io
from functools import cache

import pytest
from rich.console import Console

from analysis.paper.tables import PAPER_TABLES
from analysis.rendering import csv, latex, markdown, terminal
from analysis.rendering.layout import Layout, layout
from tests.golden.made_up import HERE, TITLE, frame


def terminal_text(shown: Layout) -> str:
    console = Console(width=terminal.width(shown), file=io.StringIO())
    console.print(terminal.table(shown))
    text = console.file
    assert isinstance(text, io.StringIO)
    return text.getvalue()


def every_format(name: str, called: str, shown: Layout) -> dict[str, str]:
    return {
        f"{name}.tex": latex.table(shown),
        f"{name}.md": markdown.table(shown),
        f"{name}.csv": csv.tables([(called, shown)]),
        f"{name}.txt": terminal_text(shown),
    }


@cache
def golden() -> dict[str, str]:
    coverage, distance = (layout(frame(), metric, TITLE) for metric in ("return99", "final_distance"))
    paper = PAPER_TABLES["2"]
    compared = layout(frame(), "return99", paper.title, table=paper, holm=True, compare=True)
    return {
        **every_format("return99", "made_up", coverage),
        "final_distance.md": markdown.table(distance),
        "document.tex": latex.document(map(latex.table, (coverage, distance, compared))),
        **every_format("table_02", "table_02", compared),
    }


@pytest.mark.parametrize("name", golden())
def test_tables_are_rebuilt_byte_for_byte(name: str) -> None:
    assert golden()[name].encode() == (HERE / name).read_bytes()


def test_the_table_at_the_end_of_a_sweep() -> None:
    console = Console(width=terminal.WIDTH, record=True, file=io.StringIO())
    console.print(terminal.table(layout(frame(), "return99", TITLE)))
    assert console.export_text() == (HERE / "return99.txt").read_text()


if __name__ == "__main__":
    for name, text in golden().items():
        (HERE / name).write_text(text, encoding="utf-8")
