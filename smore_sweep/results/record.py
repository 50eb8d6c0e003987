"""The record of one run: its outcomes, parameters and log. :mod:`smore_sweep.results.encoding` stores it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smore_sweep.results.outcomes import Outcomes

DONE, DIVERGED, PARTIAL, MISSING = "done", "diverged", "partial", "missing"

METHOD_CODE, TASK_CODE, TASK_SETUP = "method_code", "task_code", "task_setup"
"""Facts: the fingerprints of the code that made a run. A declared task whose parts are bound to values, too, has the
last in place of the second."""
ACCEPTED = "accepted_code"
"""Fact: fingerprints of later code that the run's owner accepts as equivalent, by the names of those facts."""

CONTINUED = "continued_from"
"""Fact: the id of the shorter run whose learner the run went on from."""


@dataclass
class Record:
    """Everything that is stored of a run.

    Attributes:
        content: The run's content (:meth:`RunSpec.content`).
        status: ``DONE``, ``DIVERGED`` or ``PARTIAL``.
        update: Number of updates so far.
        seconds: Training time so far.
        facts: Provenance: dataset, stack, git revision.
        metrics: Losses and diagnostics, by number of updates.
        evaluations: Outcomes, by number of updates.
        learner: The member's parameters while the run is partial.
        policy: The policy's parameters once the run is done.
        kept: The member's parameters once the run is done, if a longer run may need them; stored in a file of its own.
        log: Lines for people: starts, evaluations, failures.
    """

    content: dict[str, Any]
    status: str = PARTIAL
    update: int = 0
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    metrics: dict[int, dict[str, float]] = field(default_factory=dict)
    evaluations: dict[int, Outcomes] = field(default_factory=dict)
    learner: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    policy: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    kept: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Add a line with the time to the log."""
        self.log.append(log_line(text))

    def summary(self) -> dict[str, float]:
        """Summarise the last evaluation, which is the final one of a done run."""
        return self.evaluations[max(self.evaluations)].summary()


@dataclass(frozen=True)
class Summary:
    """The part of a record that tables need, read without its arrays.

    ``evaluations`` maps the number of updates to the numbers of :meth:`Outcomes.summary`.
    """

    status: str
    update: int
    seconds: float
    facts: dict[str, Any]
    evaluations: dict[int, dict[str, float]]


def log_line(text: str) -> str:
    """Format a line of a run's log."""
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} UTC  {text}"
