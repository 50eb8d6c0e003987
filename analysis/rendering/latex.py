r"""LaTeX of a :class:`analysis.rendering.layout.Layout`, and a document that compiles alone.

Needs the packages booktabs and, for tables that are turned because they are wider than the page, rotating.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from analysis.rendering.captions import MISSING
from analysis.rendering.latex_width import (
    BOLD,
    FOOTNOTESIZE,
    LANDSCAPE,
    PORTRAIT,
    SMALL,
    SUPERSCRIPT,
    text_width,
)
from analysis.rendering.layout import Block, Entry, Head, Layout, Row

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "±": r"$\pm$",
    "†": r"$\dagger$",
    "<": r"$<$",
    ">": r"$>$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "%&$#_{}"},
}
HEADING = 15
"""Characters per line of a heading."""
ROOMY = 6
"""Most columns in the larger print."""
TURNED = 10
"""Most columns of a turned page, if they are narrow."""
_PREAMBLE = r"""\documentclass[10pt,a4paper]{article}
\usepackage{booktabs}
\usepackage{rotating}
\addtolength{\oddsidemargin}{-31mm}
\addtolength{\textwidth}{62mm}
\addtolength{\topmargin}{-20mm}
\addtolength{\textheight}{40mm}
\renewcommand{\topfraction}{1}
\renewcommand{\textfraction}{0}
\setcounter{topnumber}{9}
\begin{document}
"""


def escape(text: str) -> str:
    """Escape the characters that LaTeX would read as a command or a comment."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def table(layout: Layout) -> str:
    """Write a float per block of columns: the first has the caption, the last the notes.

    A block that is wider than a page is turned, and one that is too wide for that is cut.
    """
    blocks = [part for block in layout.blocks for part in _cut(block)]
    floats = []
    for number, (block, look) in enumerate(blocks):
        last = number == len(blocks) - 1
        floats.append(
            "\n".join(
                [
                    rf"\begin{{{look.environment}}}[htbp]",
                    r"\centering",
                    r"\setlength{\belowcaptionskip}{6pt}",
                    _caption(*layout.caption[:2]) if number == 0 else r"Table \thetable{} (continued)\par\medskip",
                    look.size,
                    rf"\setlength{{\tabcolsep}}{{{look.apart}pt}}",
                    *_tabular(block),
                    *(_notes(layout) if last else []),
                    rf"\end{{{look.environment}}}",
                ]
            )
        )
    return "\n\n".join(floats) + "\n"


def document(tables: Iterable[str]) -> str:
    """Write a document of the tables, one after the other."""
    return _PREAMBLE + "\n\\clearpage\n".join(tables) + "\\end{document}\n"


@dataclass(frozen=True)
class _Look:
    """How a block is set: its environment, the room across it in points, its size, and the space beside a column."""

    environment: str
    room: float
    size: str
    points: float
    apart: int


_LOOKS = (
    _Look("table", PORTRAIT, r"\small", SMALL, 4),
    _Look("table", PORTRAIT, r"\footnotesize", FOOTNOTESIZE, 3),
    _Look("sidewaystable", LANDSCAPE, r"\footnotesize", FOOTNOTESIZE, 3),
)


def _cut(block: Block) -> list[tuple[Block, _Look]]:
    """Choose the first look in which a block fits. A block that fits in none is cut into halves."""
    looks = _LOOKS if len(block.heads) <= ROOMY else _LOOKS[1:]
    fitting = (look for look in looks if _width(block, look) <= look.room)
    if (look := next(fitting, None)) or len(block.heads) == 1:
        return [(block, look or _LOOKS[-1])]
    half = math.ceil(len(block.heads) / 2)
    return [
        part
        for columns in (slice(half), slice(half, None))
        for part in _cut(
            Block(block.heads[columns], tuple(replace(row, entries=row.entries[columns]) for row in block.rows))
        )
    ]


def _width(block: Block, look: _Look) -> float:
    """Estimate the width of a block, in points."""
    widths = [max(text_width(row.name, look.points) for row in block.rows)]
    for column, head in enumerate(block.heads):
        heading = max(text_width(line, look.points) for line in _lines(head.name))
        numbers = max(_entry_width(row.entries[column], look.points) for row in block.rows)
        widths.append(max(heading, numbers))
    return sum(widths) + 2 * look.apart * len(widths)


def _entry_width(entry: Entry, points: float) -> float:
    mean, *std = entry.text.split(" ± ")
    marks = text_width(f"{entry.star}{entry.note}", points * SUPERSCRIPT)
    rest = sum(text_width(f"±{text}", points) for text in std)
    return text_width(mean, points) * (BOLD if entry.bold else 1) + rest + marks


def _caption(title: str, *sentences: str) -> str:
    return "\n".join([rf"\caption{{\textbf{{{escape(title)}}}", *map(escape, sentences)]) + "}"


def _tabular(block: Block) -> list[str]:
    # Two LaTeX columns for each of ours, the number flush right and its superscripts flush left, so that numbers align.
    heads = block.heads
    names = ["Task", *(rf"\multicolumn{{2}}{{c}}{{{_heading(head.name)}}}" for head in heads)]
    lines = [
        r"\begin{tabular}{l" + "r@{}l" * len(heads) + "}",
        r"\toprule",
        *_spanning(heads, lambda head: head.share),
        *_spanning(heads, lambda head: head.group),
        _line(names),
        r"\midrule",
    ]
    summaries = [row for row in block.rows if row.kind == "summary"]
    for row in block.rows:
        if row in summaries[:1]:
            lines.append(r"\midrule")
        elif row.kind != "published" and lines[-1] != r"\midrule":
            lines.append(r"\addlinespace[2pt]")
        lines.append(_line(_cells(row)))
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _spanning(heads: Sequence[Head], of: Callable[[Head], str]) -> list[str]:
    """Write headings over several columns each, with a rule under each; nothing if there are none."""
    if not any(map(of, heads)):
        return []
    cells, rules, column = [""], [], 2
    for (_, text), group in groupby(heads, key=lambda head: (head.share, of(head))):
        width = 2 * len(list(group))
        cells.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(text)}}}")
        if text:
            rules.append(rf"\cmidrule(lr){{{column}-{column + width - 1}}}")
        column += width
    return [_line(cells), "".join(rules)]


def _cells(row: Row) -> list[str]:
    if row.kind == "published":
        small = (rf"\scriptsize {_number(entry)} & {_marks(entry)}".rstrip() for entry in row.entries)
        return [rf"\quad\scriptsize {escape(row.name)}", *small]
    if row.kind == "agreement":
        return [escape(row.name), *(rf"\multicolumn{{2}}{{c}}{{{_number(entry)}}}" for entry in row.entries)]
    return [escape(row.name), *(f"{_number(entry)} & {_marks(entry)}".rstrip() for entry in row.entries)]


def _number(entry: Entry) -> str:
    if entry.text in ("", MISSING):
        return entry.text.replace(MISSING, "---")
    if entry.text.isalpha():
        return escape(entry.text)
    mean, *std = entry.text.split(" ± ")
    digits = rf"\mathbf{{{mean}}}" if entry.bold else escape(mean)
    return "$" + r" \pm ".join([digits, *std]) + "$"


def _marks(entry: Entry) -> str:
    star = entry.star.replace("†", r"\dagger")
    note = rf"\mathrm{{{entry.note}}}" if entry.note else ""
    marks = ",".join(mark for mark in (star, note) if mark)
    return f"$^{{{marks}}}$" if marks else ""


def _heading(name: str) -> str:
    lines = _lines(name)
    return escape(name) if len(lines) == 1 else r"\shortstack{" + r"\\".join(map(escape, lines)) + "}"


def _lines(name: str) -> list[str]:
    return textwrap.wrap(name, HEADING, break_long_words=False, break_on_hyphens=False)


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _notes(layout: Layout) -> list[str]:
    """Write the notes to the letters and the rest of the caption, which is too long to stand above."""
    texts = (
        rf"$^{{\mathrm{{{letter}}}}}$ {escape(text)}" for letter, text in (note.split(" ", 1) for note in layout.notes)
    )
    gaps = [r"\quad ".join(texts) + r"\par\smallskip"] if layout.notes else []
    return [
        r"\par\medskip",
        r"\begin{minipage}{\linewidth}\footnotesize",
        *gaps,
        *map(escape, layout.caption[2:]),
        r"\end{minipage}",
    ]
