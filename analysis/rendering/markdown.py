"""GitHub Markdown of a :class:`analysis.rendering.layout.Layout`."""

from __future__ import annotations

from analysis.rendering.layout import Block, Entry, Layout, Row


def table(layout: Layout) -> str:
    """Caption, a pipe table for each block of columns, and the notes."""
    blocks = "\n\n".join(_block(block) for block in layout.blocks)
    notes = "; ".join(f"[{letter}] {text}" for letter, text in (note.split(" ", 1) for note in layout.notes))
    parts = [" ".join(_escape(sentence) for sentence in layout.caption), blocks, notes]
    return "\n\n".join(part for part in parts if part) + "\n"


def _block(block: Block) -> str:
    heads = [
        _escape(" ".join(part for part in (head.share.removesuffix(" expert"), head.name) if part))
        for head in block.heads
    ]
    lines = [["Task", *heads], [":--", *("--:" for _ in heads)], *(_cells(row) for row in block.rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cells(row: Row) -> list[str]:
    return [f"*{row.name}*" if row.kind == "published" else row.name, *(_entry(entry) for entry in row.entries)]


def _entry(entry: Entry) -> str:
    text = f"**{entry.text}**" if entry.bold else entry.text
    note = f" [{entry.note}]" if entry.note else ""
    return text + _escape(entry.star) + note


def _escape(text: str) -> str:
    return "".join("\\" + character if character in "*_|<" else character for character in text)
