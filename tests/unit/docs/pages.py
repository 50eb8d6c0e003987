"""Read the documentation's pages that are written by hand: their blocks of code, and the commands in their text."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "docker/README.md")),
        *(path for path in DOCS.rglob("*.md") if not {"generated", "_build"} & set(path.relative_to(DOCS).parts)),
    ]
)
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)[^\n]*\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`((?:make [^`\n]*=|(?:\.venv/bin/)?smore-sweep )[^`\n]*)`(?!`)")
ASSIGNMENT = re.compile(r"[A-Z][A-Z0-9_]*=.*", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, its language and its text."""

    page: str
    language: str
    text: str


@dataclass(frozen=True)
class Command:
    """One command of a page, in words, without the variables that are set before it."""

    page: str
    words: tuple[str, ...]

    @property
    def program(self) -> str:
        return self.words[0].removeprefix(".venv/bin/")

    def __str__(self) -> str:
        return f"{self.page}: {shlex.join(self.words)}"


def blocks() -> list[Block]:
    """Return all fenced blocks."""
    found = []
    for page in PAGES:
        for match in FENCE.finditer(page.read_text("utf-8")):
            text = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
            found.append(Block(str(page.relative_to(ROOT)), match["language"], text))
    return found


def commands() -> list[Command]:
    """Return the commands of all bash blocks, and those that the text names in full."""
    shown = [(block.page, line) for block in blocks() if block.language == "bash" for line in block.text.splitlines()]
    for page in PAGES:
        prose = FENCE.sub("", page.read_text("utf-8"))
        shown += [(str(page.relative_to(ROOT)), text.replace("\\|", "|")) for text in INLINE.findall(prose)]
    return list(dict.fromkeys(command for page, line in shown for command in _commands(page, line)))


def _commands(page: str, line: str) -> Iterator[Command]:
    """Split a line into commands. ``[X=1 | Y=2]`` shows what may be left out: each way is a command of its own."""
    if "..." in line and not line.startswith("export "):  # a form, not a command
        return
    if optional := re.fullmatch(r"(make .*?)\[(.+)\]", line.strip()):
        ways = [optional[1], *(optional[1] + way for way in optional[2].split("|"))]
    else:
        ways = [line]
    for way in ways:
        words = shlex.split(way, comments=True)
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            part, words = words[:end], words[end + 1 :]
            while part and ASSIGNMENT.fullmatch(part[0]):
                part = part[1:]
            if part:
                yield Command(page, tuple(part))
