r"""LaTeX of a :class:`analysis.layout.Layout`, and a document that compiles alone. Needs booktabs and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from analysis.layout import Block, Entry, Layout, Row
from analysis.wording import MISSING, percent

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
_PREAMBLE = r"""\documentclass[10pt,a4paper]{article}
\usepackage{booktabs}
\addtolength{\oddsidemargin}{-26mm}
\addtolength{\textwidth}{52mm}
\addtolength{\topmargin}{-20mm}
\addtolength{\textheight}{40mm}
\begin{document}
"""


def escape(text: str) -> str:
    """Text with everything that LaTeX would read as a command or a comment made harmless."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def table(layout: Layout) -> str:
    """A float for each block of columns: the first has the caption, the last the notes."""
    floats = []
    for number, block in enumerate(layout.blocks):
        last = number == len(layout.blocks) - 1
        floats.append(
            "\n".join(
                [
                    r"\begin{table}[htbp]",
                    r"\centering",
                    r"\setlength{\belowcaptionskip}{6pt}",
                    _caption(layout.caption) if number == 0 else r"Table \thetable{} (continued)\par\medskip",
                    r"\small",
                    r"\setlength{\tabcolsep}{4pt}",
                    *_tabular(block),
                    *(_notes(layout.notes) if last else []),
                    r"\end{table}",
                ]
            )
        )
    return "\n\n".join(floats) + "\n"


def document(tables: Iterable[str]) -> str:
    """The tables, one after the other, in a document of their own."""
    return _PREAMBLE + "\n\\clearpage\n".join(tables) + "\\end{document}\n"


def _caption(sentences: Sequence[str]) -> str:
    title, *rest = map(escape, sentences)
    return "\n".join([rf"\caption{{\textbf{{{title}}}", *rest]) + "}"


def _tabular(block: Block) -> list[str]:
    # Two columns for each of ours: the number flush right, its superscripts flush left, so that numbers line up.
    lines = [r"\begin{tabular}{l" + "r@{}l" * len(block.columns) + "}", r"\toprule"]
    shares, rules, column = [""], [], 2
    for share, group in groupby(block.columns, key=lambda item: item[0]):
        width = 2 * len(list(group))
        shares.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(percent(share))} expert}}")
        rules.append(rf"\cmidrule(lr){{{column}-{column + width - 1}}}")
        column += width
    labels = ["Task", *(rf"\multicolumn{{2}}{{c}}{{{_heading(label)}}}" for _, label in block.columns)]
    lines += [_line(shares), "".join(rules), _line(labels), r"\midrule"]
    summaries = [row for row in block.rows if row.kind == "summary"]
    for row in block.rows:
        if row in summaries[:1]:
            lines.append(r"\midrule")
        elif row.kind != "published" and lines[-1] != r"\midrule":
            lines.append(r"\addlinespace[2pt]")
        lines.append(_line(_cells(row)))
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _cells(row: Row) -> list[str]:
    if row.kind == "published":
        return [rf"\quad\scriptsize {escape(row.name)}", *(rf"\scriptsize {_number(e)} &" for e in row.entries)]
    return [escape(row.name), *(f"{_number(entry)} & {_marks(entry)}".rstrip() for entry in row.entries)]


def _number(entry: Entry) -> str:
    if entry.text in ("", MISSING):
        return entry.text.replace(MISSING, "---")
    mean, *std = entry.text.split(" ± ")
    digits = rf"\mathbf{{{mean}}}" if entry.bold else escape(mean)
    return "$" + r" \pm ".join([digits, *std]) + "$"


def _marks(entry: Entry) -> str:
    star = entry.star.replace("†", r"\dagger")
    note = rf"\mathrm{{{entry.note}}}" if entry.note else ""
    marks = ",".join(mark for mark in (star, note) if mark)
    return f"$^{{{marks}}}$" if marks else ""


def _heading(label: str) -> str:
    """A label with changed knobs, one knob a line."""
    return (
        r"\shortstack{" + r"\\".join(escape(part) for part in label.split(" ")) + "}" if " " in label else escape(label)
    )


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _notes(notes: Sequence[str]) -> list[str]:
    if not notes:
        return []
    texts = (rf"$^{{\mathrm{{{letter}}}}}$ {escape(text)}" for letter, text in (note.split(" ", 1) for note in notes))
    return [r"\par\medskip", r"\footnotesize " + r"\quad ".join(texts)]
