r"""LaTeX of a :class:`analysis.rendering.layout.Layout`, and a document that compiles alone. Needs only booktabs."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from analysis.rendering.captions import MISSING
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
"""Most columns that fit in the larger print."""
_PREAMBLE = r"""\documentclass[10pt,a4paper]{article}
\usepackage{booktabs}
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
    """Write a float per block of columns: the first has the caption, the last the notes."""
    floats = []
    for number, block in enumerate(layout.blocks):
        last = number == len(layout.blocks) - 1
        floats.append(
            "\n".join(
                [
                    r"\begin{table}[htbp]",
                    r"\centering",
                    r"\setlength{\belowcaptionskip}{6pt}",
                    _caption(*layout.caption[:2]) if number == 0 else r"Table \thetable{} (continued)\par\medskip",
                    r"\small" if len(block.heads) <= ROOMY else r"\footnotesize",
                    rf"\setlength{{\tabcolsep}}{{{4 if len(block.heads) <= ROOMY else 3}pt}}",
                    *_tabular(block),
                    *(_notes(layout) if last else []),
                    r"\end{table}",
                ]
            )
        )
    return "\n\n".join(floats) + "\n"


def document(tables: Iterable[str]) -> str:
    """Write a document of the tables, one after the other."""
    return _PREAMBLE + "\n\\clearpage\n".join(tables) + "\\end{document}\n"


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
    lines = textwrap.wrap(name, HEADING, break_long_words=False, break_on_hyphens=False)
    return escape(name) if len(lines) == 1 else r"\shortstack{" + r"\\".join(map(escape, lines)) + "}"


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
