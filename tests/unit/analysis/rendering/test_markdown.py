"""Markdown's escape and pipe tables."""

from __future__ import annotations

from analysis.rendering.markdown import escape, pipe_table


def test_markup_is_escaped() -> None:
    assert escape("a_b *c* | <d>") == r"a\_b \*c\* \| \<d\>"


def test_numbers_are_flush_right() -> None:
    rows = [["x", "1"], ["y", "2"]]
    assert pipe_table(["name", "count"], rows).splitlines()[1] == "| :-- | :-- |"
    assert pipe_table(["name", "count"], rows, numbers=True).splitlines() == [
        "| name | count |",
        "| :-- | --: |",
        "| x | 1 |",
        "| y | 2 |",
    ]
