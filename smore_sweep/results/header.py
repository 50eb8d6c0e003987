"""Checks of a record's header."""

from __future__ import annotations

import math

from smore_sweep.hashing import DIGEST, digest, seal_holds
from smore_sweep.results.npz import DamagedError
from smore_sweep.results.record import DIVERGED, DONE, PARTIAL

FIELDS = frozenset({"content", "status", "update", "seconds", "facts", "log", "metrics", "summaries"})
SEALED = FIELDS | {"arrays", DIGEST}
"""The fields of a header since records have digests; older ones have :data:`FIELDS`, the oldest of them no log."""


def check(header: object, run_id: str, *, ended: bool) -> None:
    """Check a header.

    Args:
        header: The header, as JSON gave it.
        run_id: The run that it must be of.
        ended: Whether the run must have ended.

    Raises:
        DamagedError: If the header does not hold; the message says why.
    """
    if not isinstance(header, dict) or header.keys() | {"log"} not in (FIELDS, SEALED):
        raise DamagedError("its header has other fields")
    if DIGEST in header and not seal_holds(header):
        raise DamagedError("its header does not have its digest")
    content, status, update = header["content"], header["status"], header["update"]
    if not isinstance(content, dict) or digest(content) != run_id:
        raise DamagedError("it is the record of another run")
    if status not in ((DONE, DIVERGED) if ended else (PARTIAL,)):
        raise DamagedError(f"its status is {status!r}")
    last = content.get("budget", {}).get("updates", math.inf)
    if type(update) is not int or not 0 <= update <= last:
        raise DamagedError(f"its update is {update!r}")
    if not _is_finite(header["seconds"]):
        raise DamagedError(f"its seconds are {header['seconds']!r}")
    if not isinstance(header["facts"], dict) or not _is_texts(header.get("log", [])):
        raise DamagedError("its facts or its log have another type")
    for name in ("metrics", "summaries"):
        _check_numbers(name, header[name], update, finite=name == "summaries")
    if status == DONE and (str(update) not in header["summaries"] or last not in (update, math.inf)):
        raise DamagedError("it lacks the final evaluation")


def _check_numbers(name: str, by_update: object, update: int, *, finite: bool) -> None:
    """Check a mapping from update to named numbers. Metrics of a run may be infinite or NaN, outcomes may not."""
    if not isinstance(by_update, dict):
        raise DamagedError(f"its {name} have another type")
    for at, values in by_update.items():
        if not at.isdecimal() or str(int(at)) != at or int(at) > update or not isinstance(values, dict):
            raise DamagedError(f"its {name} have an entry {at!r}")
        if not all(_is_finite(value) if finite else _is_number(value) for value in values.values()):
            raise DamagedError(f"its {name} at update {at} are not all {'finite ' if finite else ''}numbers")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(line, str) for line in value)
