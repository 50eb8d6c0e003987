"""Knobs chosen by model selection: ``python analysis/selection.py`` writes ``tuned.csv``, with the evidence."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

FILE = Path(__file__).parent / "tuned.csv"

AS_METHOD = MappingProxyType(dict.fromkeys(("SMORe (w/o AWR and Expectile loss)", "SMORe (action-free)"), "SMORe"))
"""SMORe without some part uses SMORe's own knobs: else two things would differ."""
AS_TASK = MappingProxyType({f"FetchReachNoise{sigma}": "FetchReach" for sigma in (0.5, 1.0, 1.5)})
"""Tasks with noise use the knobs of the task without, so that a curve over noise has constant knobs."""


def tuned(scale: str, only: str | None = None) -> Mapping[tuple[str, str], Mapping[str, float]]:
    """Return the chosen knobs at a scale, all or ``only`` one: (method's name, task) to knob to value.

    The mapping is empty where nothing was tuned.
    """
    found = {
        place: {knob: value for knob, value in values.items() if only in (None, knob)}
        for place, values in _read().get(scale, {}).items()
    }
    for method, alike in AS_METHOD.items():
        found |= {(method, task): values for (name, task), values in found.items() if name == alike}
    for task, alike in AS_TASK.items():
        found |= {(method, task): values for (method, name), values in found.items() if name == alike}
    return found


@cache
def _read() -> dict[str, dict[tuple[str, str], dict[str, float]]]:
    found: dict[str, dict[tuple[str, str], dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    with FILE.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["chosen"] == "yes":
                found[row["scale"]][row["method"], row["task"]][row["knob"]] = float(row["value"])
    return found
