"""The README shows files, folders and make targets that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_sweep_shown_is_the_real_file() -> None:
    readme = (ROOT / "README.md").read_text()
    listings = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert (ROOT / "sweeps" / "coverage_ablation.py").read_text() in listings


def test_every_file_and_make_target_named_exists() -> None:
    readme = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"(?:^|`)make ([a-z]+)", readme, re.MULTILINE)):
        assert f"\n{target}:" in makefile, target
    for path in set(re.findall(r"[(`]((?:docs|smore_sweep|baselines|sweeps|analysis|tests)/[\w/.]+)[)`]", readme)):
        assert (ROOT / path).exists(), path
