"""HTML of tables and pages, from the templates in ``templates/``.

A page is one file that loads nothing from elsewhere, readable on a phone, on paper and in the dark. The functions take
plain text, which the templates escape, and return markup.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.rendering.captions import MISSING
from analysis.rendering.layout import Block, Entry, Layout

_TEMPLATES = Environment(
    loader=PackageLoader("analysis.rendering"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True)
class Section:
    """A part of a page with an entry in the table of contents."""

    title: str
    body: Markup


def page(title: str, lead: Markup, sections: Iterable[Section]) -> str:
    """Render a whole document. Sections without a body are left out."""
    full = [section for section in sections if section.body]
    return _TEMPLATES.get_template("page.html.j2").render(title=title, lead=lead, sections=full)


def join(parts: Iterable[Markup]) -> Markup:
    """Join pieces of markup, one after the other."""
    return Markup("\n").join(part for part in parts if part)


def paragraph(text: str, *, soft: bool = False) -> Markup:
    """Render a paragraph."""
    return _part("paragraph", text=text, soft=soft)


def heading(text: str, mark: str = "", kind: str = "") -> Markup:
    """Render a heading within a section. ``mark`` follows it; ``kind`` (``good``, ``bad``) gives the mark a colour."""
    return _part("heading", text=text, mark=mark, kind=kind)


def code(text: str) -> Markup:
    """Render a paragraph with a command or an identifier."""
    return _part("code", text=text)


def folded(title: str, body: Markup, *, unfold: bool = False) -> Markup:
    """Render markup that opens at a click, and is printed open. ``unfold``: it is open from the start."""
    return _part("folded", title=title, body=body, unfold=unfold)


def records(headings: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = False) -> Markup:
    """Render a table with a line per record, whose first entry names it. ``numbers``: the others are flush right."""
    return _part("records", headings=headings, rows=rows, numbers=numbers)


def figure(svg: bytes, inches: float, alt: str, caption: str) -> Markup:
    """Embed a drawing, so many inches wide in print. It keeps its white paper in the dark, and scrolls where the screen
    is too narrow to read it."""
    return _part("figure", data=b64encode(svg).decode(), inches=inches, alt=alt, caption=caption)


def table(layout: Layout) -> Markup:
    """Render the caption, a table per block of columns, and the notes."""
    title, *sentences = layout.caption
    return _part(
        "table",
        title=title,
        sentences=" ".join(sentences),
        blocks=[_block(block) for block in layout.blocks],
        notes=[note.split(" ", 1) for note in layout.notes],
    )


def _part(name: str, **values: object) -> Markup:
    """Render a macro of ``parts.html.j2``."""
    return Markup(getattr(_TEMPLATES.get_template("parts.html.j2").module, name)(**values))


def _block(block: Block) -> tuple[object, ...]:
    """The headings that span columns, the names of the columns, and the rows."""
    above = zip(*((head.share, head.group) for head in block.heads), strict=True)
    spans = [_spans(parts) for parts in above if any(parts)]
    rows = [(row.kind, row.name, [_entry(entry) for entry in row.entries]) for row in block.rows]
    return spans, [head.name for head in block.heads], rows


def _spans(parts: Sequence[str]) -> list[tuple[str, int]]:
    """Each heading, and the number of neighbours that share it."""
    return [(text, len(list(group))) for text, group in groupby(parts)]


def _entry(entry: Entry) -> tuple[str, bool, str]:
    """Text, whether it is bold, and superscripts."""
    return entry.text.replace(MISSING, "—"), entry.bold, ",".join(filter(None, (entry.star, entry.note)))
