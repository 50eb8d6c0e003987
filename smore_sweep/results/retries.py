"""Which runs of a stack train next, and when one has been tried often enough.

A stack that fails is taken apart, for it is only scheduling: each of its runs is tried once more by itself, so that one
which raises does not take the others with it. A lost worker says nothing about a run, and the same runs start again -
unless that happens again and again before anything new was kept: then the runs themselves are suspected (of using up
the memory, say), and that counts as a failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

TRIES = 2
"""How often a run is tried: in its stack, then by itself."""
LOSSES = 3
"""How often in a row workers may be lost, before anything new was kept, until that counts as a failure."""


class RetryPolicy:
    """Counts starts and failures of runs, which are named by their ids, for as long as one sweep runs."""

    def __init__(self) -> None:
        self._failures: Counter[str] = Counter()
        self._starts: Counter[str] = Counter()

    def choose(self, unfinished: Mapping[str, int]) -> list[str]:
        """Of unfinished runs (id to updates behind it) those that train next, together: those that stand furthest
        and have not failed; then, one at a time, those that may be tried again."""
        together = [run_id for run_id in unfinished if not self._failures[run_id]]
        if together:  # at the same update, unless their last records could not all be written
            furthest = max(unfinished[run_id] for run_id in together)
            return [run_id for run_id in together if unfinished[run_id] == furthest]
        return [run_id for run_id in unfinished if self._failures[run_id] < TRIES][:1]

    def losses(self, part: Iterable[str]) -> int:
        """How often these runs' worker was lost since anything was kept of them."""
        return max(self._starts[run_id] for run_id in part)

    def start(self, part: Iterable[str]) -> None:
        """They start to train."""
        self._starts.update(part)

    def progress(self, run_ids: Iterable[str]) -> None:
        """Something new was kept of these runs."""
        for run_id in run_ids:
            del self._starts[run_id]

    def fail(self, run_id: str) -> bool:
        """It failed, by itself or with others; returns whether it has been tried often enough."""
        self.progress([run_id])
        self._failures[run_id] += 1
        return self._failures[run_id] >= TRIES
