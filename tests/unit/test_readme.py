"""The README and the pages show files, folders and make targets that exist."""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.docs.pages import PAGES

ROOT = Path(__file__).parents[2]


def test_the_sweep_shown_is_the_real_file() -> None:
    readme = (ROOT / "README.md").read_text()
    listings = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert (ROOT / "sweeps" / "coverage_ablation.py").read_text() in listings


def test_every_file_and_make_target_named_exists() -> None:
    readme = "\n".join(page.read_text() for page in PAGES)
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"(?:^|`)make ([a-z]+)", readme, re.MULTILINE)):
        assert f"\n{target}:" in makefile, target
    for path in set(re.findall(r"[(`]((?:docs|smore_sweep|baselines|sweeps|analysis|tests)/[\w/.]+)[)`]", readme)):
        assert (ROOT / path).exists(), path


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose):
            if "://" not in link and "/generated/" not in f"/{link}":  # `make docs` checks those
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
