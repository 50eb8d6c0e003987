"""HTML of tables and pages: one file without anything from elsewhere, readable on a phone, on paper and in the dark.

Whatever text comes in is escaped here, and nowhere else: functions take text and give markup."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import NewType

from analysis.rendering.captions import MISSING
from analysis.rendering.layout import Block, Entry, Layout, Row

Html = NewType("Html", str)
"""Markup, in which all text is escaped."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2129; --soft: #5b6472; --line: #d9dde3; --paper: #fff; --tint: #f4f6f8;
  --link: #0b5cad; --good: #1a7f37; --bad: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #a0a8b4; --line: #3a414b; --paper: #15181c;
  --tint: #1f242a; --link: #79b8ff; --good: #56d364; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 68rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; padding-top: .6rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
p { margin: .5rem 0; }
a { color: var(--link); }
nav { background: var(--tint); padding: .7rem 1rem; border-radius: .4rem; margin: 1.2rem 0; }
nav ul { margin: 0; padding: 0; list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; }
.soft, caption, .notes { color: var(--soft); font-size: .85rem; }
.scroll { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .3rem; }
th, td { padding: .28rem .65rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
thead th { border-bottom: 2px solid var(--line); font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 500; }
.numbers td, .numbers thead th { text-align: right; }
.numbers td, .numbers tbody th { white-space: nowrap; }
.numbers thead th[scope=colgroup] { text-align: center; }
.numbers th:first-child { text-align: left; position: sticky; left: 0; background: var(--paper); }
.published th, .published td { color: var(--soft); font-size: .8rem; padding-top: 0; }
tr:has(+ .published) > * { border-bottom: 0; padding-bottom: 0; }
.published th { padding-left: 1.4rem; font-weight: 400; font-style: italic; }
.summary th, .summary td { font-weight: 600; }
sup { font-size: .7em; line-height: 0; }
code { font-size: .9em; overflow-wrap: anywhere; }
figure { margin: 1rem 0; }
figure .scroll { background: #fff; border-radius: .4rem; padding: .4rem; }
figure img { display: block; width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .85rem; }
summary { cursor: pointer; font-weight: 600; margin: .8rem 0 .3rem; }
mark { background: none; color: var(--soft); } mark.good { color: var(--good); } mark.bad { color: var(--bad); }
@page { margin: 15mm; }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; }
  .scroll { overflow: visible; } figure img { min-width: 0 !important; }
  h2, h3 { break-after: avoid; } tr, figure { break-inside: avoid; }
  details::details-content { content-visibility: visible; height: auto; } }
"""


@dataclass(frozen=True)
class Section:
    """A part of a page, which the table of contents names."""

    title: str
    body: Html


def page(title: str, lead: Html, sections: Sequence[Section]) -> str:
    """A whole document. A section without a body is left out."""
    full = (section for section in sections if section.body)
    shown = [(f"s{number}", section) for number, section in enumerate(full, 1)]
    contents = (f'<li><a href="#{anchor}">{escape(section.title)}</a></li>' for anchor, section in shown)
    parts = (
        f'<section>\n<h2 id="{anchor}">{escape(section.title)}</h2>\n{section.body}\n</section>'
        for anchor, section in shown
    )
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
            f"<header>\n<h1>{escape(title)}</h1>\n{lead}\n</header>",
            f'<nav aria-label="Contents"><ul>{"".join(contents)}</ul></nav>\n<main>',
            *parts,
            "</main>\n</body>\n</html>\n",
        ]
    )


def join(parts: Iterable[Html]) -> Html:
    """Pieces of markup, one after the other."""
    return Html("\n".join(part for part in parts if part))


def paragraph(text: str, *, soft: bool = False) -> Html:
    """A paragraph of plain text."""
    return Html(f"<p{' class=soft' if soft else ''}>{escape(text)}</p>")


def heading(text: str, mark: str = "", kind: str = "") -> Html:
    """A heading within a section. ``mark`` stands behind it; ``kind`` (``good``, ``bad``) gives it a colour."""
    behind = f' <mark class="{kind}">{escape(mark)}</mark>' if mark else ""
    return Html(f"<h3>{escape(text)}{behind}</h3>")


def code(text: str) -> Html:
    """A paragraph with a command or an identifier."""
    return Html(f"<p><code>{escape(text)}</code></p>")


def folded(title: str, body: Html, *, unfold: bool = False) -> Html:
    """Markup that opens at a click, and is printed open. ``unfold``: it is open from the start."""
    return Html(f"<details{' open' if unfold else ''}>\n<summary>{escape(title)}</summary>\n{body}\n</details>")


def records(headings: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = False) -> Html:
    """A table with a line for each record, whose first entry names it. ``numbers``: the others are flush right."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in headings)
    lines = (
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(entry)}</td>" for entry in rest)}</tr>'
        for first, *rest in rows
    )
    return _scrolling(f"<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(lines) + "\n</tbody>", numbers)


def table(layout: Layout) -> Html:
    """The caption, a table for each block of columns, and the notes."""
    title, *rest = layout.caption
    caption = f"<p><strong>{escape(title)}</strong></p>\n<p class=soft>{escape(' '.join(rest))}</p>"
    notes = "; ".join(f"<sup>{escape(letter)}</sup> {escape(text)}" for letter, text in _notes(layout))
    blocks = (_block(block) for block in layout.blocks)
    return join([Html(caption), *blocks, Html(f"<p class=notes>{notes}</p>" if notes else "")])


def figure(svg: bytes, inches: float, alt: str, caption: str) -> Html:
    """A drawing, so many inches wide in print, within the page. It keeps its white paper in the dark, and scrolls where
    the screen is too narrow to read it."""
    data, size = b64encode(svg).decode(), f"max-width: {10 * inches:g}rem; min-width: {5 * inches:g}rem"
    picture = f'<img src="data:image/svg+xml;base64,{data}" style="{size}" alt="{escape(alt)}">'
    return Html(
        f"<figure>\n<div class=scroll tabindex=0>{picture}</div>\n<figcaption>{escape(caption)}</figcaption>\n</figure>"
    )


def _block(block: Block) -> Html:
    above = [_spans(parts) for parts in zip(*((head.share, head.group) for head in block.heads), strict=True)]
    names = "".join(f'<th scope="col">{escape(head.name)}</th>' for head in block.heads)
    head = "".join(f"<tr><td></td>{spans}</tr>\n" for spans in above if spans)
    body = "\n".join(map(_row, block.rows))
    return _scrolling(
        f'<thead>\n{head}<tr><th scope="col">Task</th>{names}</tr>\n</thead>\n<tbody>\n{body}\n</tbody>', numbers=True
    )


def _spans(parts: Sequence[str]) -> str:
    """One heading above neighbours that share it; nothing if there is none."""
    if not any(parts):
        return ""
    spans = ((text, len(list(group))) for text, group in groupby(parts))
    return "".join(
        f'<th scope="colgroup" colspan="{width}">{escape(text)}</th>' if text else f'<td colspan="{width}"></td>'
        for text, width in spans
    )


def _row(row: Row) -> str:
    entries = "".join(f"<td>{_entry(entry)}</td>" for entry in row.entries)
    return f'<tr class="{row.kind}"><th scope="row">{escape(row.name)}</th>{entries}</tr>'


def _entry(entry: Entry) -> str:
    text = escape(entry.text.replace(MISSING, "—"))
    marks = ",".join(escape(mark) for mark in (entry.star, entry.note) if mark)
    return (f"<strong>{text}</strong>" if entry.bold else text) + (f"<sup>{marks}</sup>" if marks else "")


def _notes(layout: Layout) -> list[tuple[str, str]]:
    return [(letter, text) for letter, text in (note.split(" ", 1) for note in layout.notes)]


def _scrolling(inside: str, numbers: bool) -> Html:
    kind = " class=numbers" if numbers else ""
    return Html(f"<div class=scroll tabindex=0>\n<table{kind}>\n{inside}\n</table>\n</div>")
