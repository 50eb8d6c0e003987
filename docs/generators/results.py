"""Pages per scale and benchmark, from RESULTS.md, which ``make results`` writes from the committed runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from generators.markdown import table, toctree

SECTION = re.compile(r"^## (.*)$", re.MULTILINE)
PART = re.compile(r"^### (.*)$", re.MULTILINE)
SCALE = re.compile(r"(?P<what>.+), (?P<scale>\w+) scale")
PAGE = re.compile(r"\bdocs/results/(?P<name>\w+\.md)")
ABOUT = {
    "paper": "The paper's benchmark",
    "studies": "Studies beyond the paper",
    "ogbench": "OGBench",
}
"""Benchmarks, by the end of their pages' names."""


def pages(path: Path) -> dict[str, str]:
    """Split RESULTS.md into one page per scale and benchmark, and the commentary; add the list of them."""
    sections = dict(_split(SECTION, path.read_text("utf-8")))
    scales: dict[str, dict[str, str]] = {}
    for title, text in sections.items():
        if match := SCALE.fullmatch(title):
            scales.setdefault(match["scale"], {})[match["what"]] = text
    words = PAGE.sub(r"[\g<name>](../\g<name>)", sections.get("Commentary", ""))
    made = {"commentary.md": f"# Commentary\n\n{words}\n"} if words else {}
    rows = []
    for scale, parts in scales.items():
        for benchmark, text in _benchmarks(parts):
            name = f"{scale}-{benchmark}"
            made[f"{name}.md"] = f"# {ABOUT[benchmark]}, {scale} scale\n\n{text}\n"
            rows.append([f"[{ABOUT[benchmark]}]({name}.md)", scale])
    listed = [
        "# Tables and claims",
        "Generated from the runs that are committed in `results/`, by benchmark and scale. No table mixes scales.",
        table(["benchmark", "scale"], rows),
        *(["What the runs say, in words: [commentary](commentary.md)."] if "commentary.md" in made else []),
        toctree(name.removesuffix(".md") for name in made),
    ]
    return {"index.md": "\n\n".join(listed) + "\n"} | made


def _split(pattern: re.Pattern[str], text: str) -> Iterator[tuple[str, str]]:
    """Yield each heading with the text below it."""
    _, *parts = pattern.split(text)
    yield from zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True)


def _benchmarks(parts: dict[str, str]) -> Iterator[tuple[str, str]]:
    tables: dict[str, list[str]] = {}
    for title, text in _split(PART, parts.pop("Tables", "")):
        benchmark = "paper" if title.startswith("Table ") else "ogbench" if title.endswith(" ogbench") else "studies"
        tables.setdefault(benchmark, []).append(f"## {title}\n\n{text}")
    rest = [f"## {title}\n\n{text}" for title, text in parts.items() if title != "Provenance"]
    provenance = [f"## Provenance\n\n{parts['Provenance']}"] if "Provenance" in parts else []
    first = "paper" if "paper" in tables else next(iter(tables), "")  # the page with what is said of the whole scale
    for benchmark, blocks in tables.items():
        yield benchmark, "\n\n".join([*rest, *blocks, *provenance] if benchmark == first else blocks)
