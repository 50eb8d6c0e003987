"""What model selection chose: ``python analysis/selection.py`` writes it, with its evidence, into ``chosen.csv``."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "chosen.csv"


def chosen(scale: str) -> Mapping[tuple[str, str], Mapping[str, float]]:
    """The chosen knobs at a scale: (method's name, task) to knob to value. Empty where nothing was tuned."""
    return _read().get(scale, {})


@cache
def _read() -> dict[str, dict[tuple[str, str], dict[str, float]]]:
    found: dict[str, dict[tuple[str, str], dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    with FILE.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["chosen"] == "yes":
                found[row["scale"]][row["method"], row["task"]][row["knob"]] = float(row["value"])
    return found
