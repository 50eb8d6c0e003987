"""GitHub Markdown: escaped text, pipe tables, and a :class:`analysis.rendering.layout.Layout`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from analysis.rendering.layout import Block, Entry, Layout, Row


def escape(text: str) -> str:
    """Escape the characters that Markdown would read as markup."""
    return "".join("\\" + character if character in "*_|<>" else character for character in text)


def pipe_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = False) -> str:
    """Write a table whose cells are Markdown already. ``numbers`` sets all columns but the first flush right."""
    alignments = [":--", *["--:" if numbers else ":--"] * (len(headings) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, alignments, *rows))


def table(layout: Layout) -> str:
    """Write the caption, a pipe table per block of columns, and the notes."""
    blocks = "\n\n".join(_block(block) for block in layout.blocks)
    notes = "; ".join(f"[{letter}] {text}" for letter, text in (note.split(" ", 1) for note in layout.notes))
    parts = [" ".join(escape(sentence) for sentence in layout.caption), blocks, notes]
    return "\n\n".join(part for part in parts if part) + "\n"


def _block(block: Block) -> str:
    heads = [
        escape(" ".join(part for part in (head.share.removesuffix(" expert"), head.name) if part))
        for head in block.heads
    ]
    return pipe_table(["Task", *heads], map(_cells, block.rows), numbers=True)


def _cells(row: Row) -> list[str]:
    return [f"*{row.name}*" if row.kind == "published" else row.name, *(_entry(entry) for entry in row.entries)]


def _entry(entry: Entry) -> str:
    text = f"**{entry.text}**" if entry.bold else entry.text
    note = f" [{entry.note}]" if entry.note else ""
    return text + escape(entry.star) + note
