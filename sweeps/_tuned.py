"""Knobs chosen by model selection: ``python analysis/selection.py`` writes ``tuned.csv``, with the evidence.

The knobs are part of run ids, so a damaged file would name other runs. Its last line is therefore the SHA-256 of the
lines before it.
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from smore_sweep.errors import DeclarationError

FILE = Path(__file__).parent / "tuned.csv"
DIGEST = "# sha256 "
COLUMNS = ("scale", "task", "method", "knob", "value", "chosen")
"""The columns that decide; the others are evidence."""

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


def seal(text: str) -> str:
    """Add the line with the digest."""
    return f"{text}{DIGEST}{hashlib.sha256(text.encode()).hexdigest()}\n"


def unseal(file: Path) -> str:
    """Read a file that :func:`seal` completed, without the line with the digest.

    Raises:
        DeclarationError: If the file is missing, empty, cut short or changed, or lacks a column.
    """
    try:
        content = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise _refusal(file, f"cannot be read ({type(error).__name__})") from None
    if not content.strip():
        raise _refusal(file, "is empty")
    text, _, last = content.rpartition(DIGEST)
    if not text or last.count("\n") != 1 or not last.endswith("\n"):
        raise _refusal(file, "is cut short: its last line is not the digest of the lines before it")
    if seal(text) != content:
        raise _refusal(file, "was changed: the lines do not have the digest of its last line")
    header = text.split("\n", 1)[0].split(",")
    if missing := [name for name in COLUMNS if name not in header]:
        raise _refusal(file, f"has no column {missing[0]!r}")
    return text


def _refusal(file: Path, reason: str) -> DeclarationError:
    return DeclarationError(f"{file} {reason}; restore it from version control, make select changes it")


@cache
def _read() -> dict[str, dict[tuple[str, str], dict[str, float]]]:
    found: dict[str, dict[tuple[str, str], dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in csv.DictReader(unseal(FILE).splitlines()):
        if row["chosen"] == "yes":
            found[row["scale"]][row["method"], row["task"]][row["knob"]] = float(row["value"])
    return found
