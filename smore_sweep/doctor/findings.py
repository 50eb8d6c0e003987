"""Findings of an examination, and the clock that ends it in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from smore_sweep.errors import first_line

GOOD, NOTE, BAD, SKIPPED = "good", "note", "bad", "skipped"
"""Ratings of a finding."""


@dataclass(frozen=True)
class Finding:
    """One fact about the machine.

    Attributes:
        name: What was looked at.
        rating: ``GOOD``, ``NOTE`` (works, with a remark), ``BAD`` or ``SKIPPED``.
        verdict: One line for people.
        figures: The numbers behind it, for the report file.
    """

    name: str
    rating: str
    verdict: str
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Clock:
    """Time that is left for an examination, in seconds since it began."""

    limit: float
    started: float = field(default_factory=time.monotonic)

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float:
        """Seconds until the limit."""
        return self.limit - self.spent


def examine(name: str, look: Callable[[], Finding], clock: Clock, needs: float) -> Finding:
    """Look, unless less time is left than it ``needs``. An error is a finding, too."""
    if clock.left < needs:
        return Finding(name, SKIPPED, f"no time left; it needs {needs:.0f} s")
    try:
        return look()
    except Exception as error:  # whatever is wrong with this machine
        return Finding(name, BAD, f"{type(error).__name__}: {first_line(error)}")
