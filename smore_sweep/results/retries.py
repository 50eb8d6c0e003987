"""Choose which runs of a stack train next, and decide when to give a run up.

After a failure each run of the stack is tried once more by itself, so that one that raises does not take the others
with it. If a worker is lost, the same runs start again. After three consecutive losses without progress the runs
themselves are suspected (of exhausting the memory, for example), and that counts as a failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

TRIES = 2
"""Attempts per run: in its stack, then by itself."""
LOSSES = 3
"""Consecutive losses of a worker without progress that count as a failure."""


class RetryPolicy:
    """Starts and failures of runs, by run id, during one sweep."""

    def __init__(self) -> None:
        self._failures: Counter[str] = Counter()
        self._starts: Counter[str] = Counter()

    def choose(self, unfinished: Mapping[str, int]) -> list[str]:
        """Return the unfinished runs that train next, together; empty if none may be tried any more.

        Runs that have not failed come first, and of them those that are furthest behind, to catch up with the others;
        then those to be tried again, one at a time.

        Args:
            unfinished: Number of updates so far, by run id.
        """
        together = [run_id for run_id in unfinished if not self._failures[run_id]]
        if together:
            least = min(unfinished[run_id] for run_id in together)
            return [run_id for run_id in together if unfinished[run_id] == least]
        return [run_id for run_id in unfinished if self._failures[run_id] < TRIES][:1]

    def until(self, unfinished: Mapping[str, int], run_ids: Iterable[str]) -> int | None:
        """Return the update at which others of the unfinished runs wait for these, to train on together.

        None if none do.
        """
        least = max(unfinished[run_id] for run_id in run_ids)
        ahead = [update for run_id, update in unfinished.items() if update > least and not self._failures[run_id]]
        return min(ahead, default=None)

    def losses(self, run_ids: Iterable[str]) -> int:
        """Return how often the runs' worker was lost since their last progress."""
        return max(self._starts[run_id] for run_id in run_ids)

    def start(self, run_ids: Iterable[str]) -> None:
        """Note that the runs start to train."""
        self._starts.update(run_ids)

    def progress(self, run_ids: Iterable[str]) -> None:
        """Note that new records of the runs were written."""
        for run_id in run_ids:
            del self._starts[run_id]

    def fail(self, run_id: str) -> bool:
        """Note that a run failed, by itself or with others. Returns whether to give it up."""
        self.progress([run_id])
        self._failures[run_id] += 1
        return self._failures[run_id] >= TRIES
