"""Docstrings and tables as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

CODE = re.compile(r"(``.+?``|:[a-z:]+:`[^`]+`|`[^`]+`)", re.DOTALL)
TERM = re.compile(r"``(?P<term>[^`]+)`` {2,}(?P<text>\S.*)")
SPECIAL = re.compile(r"([\\*_\[\]<>|$#])")


def docstring(text: str) -> str:
    """Return a docstring as Markdown.

    Prose becomes paragraphs and lists, with code as code. What is indented below a paragraph - equations, a listing -
    stays as it is written. A column of names with texts beside them becomes a list of definitions.
    """
    return "\n\n".join(_block(block) for block in _blocks(text.strip("\n").splitlines())) + "\n"


def _blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    for blank, group in groupby(lines, key=lambda line: not line.strip()):
        if not blank:
            yield list(group)


def _block(lines: list[str]) -> str:
    if TERM.match(lines[0]):
        return "\n\n".join(_definitions(lines))
    if all(line.startswith("    ") for line in lines):
        inner = "\n".join(line.removeprefix("    ") for line in lines)
        return f"```text\n{inner}\n```"
    return "\n".join(_line(line) for line in _joined(lines))


def _definitions(lines: list[str]) -> Iterator[str]:
    term, words = "", list[str]()
    for line in [*lines, "``end``  end"]:
        if match := TERM.match(line):
            if term:
                yield f"`{term}`\n: {inline(' '.join(words))}"
            term, words = match["term"], [match["text"]]
        else:
            words.append(line.strip())


def _joined(lines: list[str]) -> Iterator[str]:
    """Join the lines of a paragraph or of a bullet, so that code which a line break cuts is whole again."""
    current = ""
    for line in lines:
        if line.startswith("* ") and current:
            yield current
            current = line
        else:
            current = f"{current} {line.strip()}" if current else line
    yield current


def _line(line: str) -> str:
    bullet = "* " if line.startswith("* ") else ""
    return bullet + inline(line.removeprefix(bullet))


def inline(text: str) -> str:
    """Return prose with its code as Markdown's code, and everything else as plain characters."""
    return "".join(_code(part) if i % 2 else SPECIAL.sub(r"\\\1", part) for i, part in enumerate(CODE.split(text)))


def _code(part: str) -> str:
    content = part.split("`", 1)[1].strip("`")
    if part.startswith(":"):  # a role: what it names, without a module that ~ hides
        content = content.rpartition(".")[2] if content.startswith("~") else content
    return f"`{content}`"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table. Cells are Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def toctree(names: Iterable[str]) -> str:
    """Return a hidden table of contents."""
    return "\n".join(["```{toctree}", ":hidden:", "", *names, "```"])
