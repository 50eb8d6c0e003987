"""Choose which runs of a stack train next, and decide when to give a run up.

After a failure the runs of a stack are tried again in halves, and those of a half that fails in halves of that, so that
one that raises does not take the others with it. If a worker is lost, the same runs start again. After three
consecutive losses without progress the runs themselves are suspected (of exhausting the memory, for example), and that
counts as a failure. A stack that does not fit into a GPU's memory is no failure: half as many members are tried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

TRIES = 2
"""Failures for which a run is given up, the last of them by itself."""
LOSSES = 3
"""Consecutive losses of a worker without progress that count as a failure."""


class RetryPolicy:
    """Starts and failures of runs, by run id, during one sweep."""

    def __init__(self) -> None:
        self._failures: Counter[str] = Counter()
        self._starts: Counter[str] = Counter()
        self._together: dict[str, int] = {}  # most runs of the stack in which a run is tried again
        self._room: dict[str, int] = {}
        self._given_up: set[str] = set()

    def choose(self, unfinished: Mapping[str, int]) -> list[str]:
        """Return the unfinished runs that train next, together; empty if none may be tried any more.

        Runs that have not failed come first, and of them those that are furthest behind, to catch up with the others;
        then those to be tried again, in the largest stacks that they are tried in.

        Args:
            unfinished: Number of updates so far, by run id.
        """
        if fresh := [run_id for run_id in unfinished if run_id not in self._together]:
            least = min(unfinished[run_id] for run_id in fresh)
            return [run_id for run_id in fresh if unfinished[run_id] == least]
        again = [run_id for run_id in unfinished if run_id not in self._given_up]
        if not again:
            return []
        first = max(again, key=lambda run_id: self._together[run_id])
        most = self._together[first]
        alike = [run_id for run_id in again if self._together[run_id] == most]
        return [run_id for run_id in alike if unfinished[run_id] == unfinished[first]][:most]

    def until(self, unfinished: Mapping[str, int], run_ids: Iterable[str]) -> int | None:
        """Return the update at which others of the unfinished runs wait for these, to train on together.

        None if none do.
        """
        here = max(unfinished[run_id] for run_id in run_ids)
        ahead = [update for run_id, update in unfinished.items() if update > here and run_id not in self._together]
        return min(ahead, default=None)

    def room(self, run_ids: Iterable[str]) -> int | None:
        """Return the most members that a stack with these runs may be filled up to; None for any number."""
        return min((self._room[run_id] for run_id in run_ids if run_id in self._room), default=None)

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

    def crowd(self, run_ids: Sequence[str], room: int) -> None:
        """Note that a stack with these runs was too large for a GPU's memory; it may have ``room`` members next."""
        self.progress(run_ids)
        for run_id in run_ids:
            self._room[run_id] = room
            self._together[run_id] = min(room, self._together.get(run_id, room))

    def fail(self, run_ids: Sequence[str]) -> set[str]:
        """Note that runs failed, together or one by itself. Returns those to give up."""
        self.progress(run_ids)
        for run_id in run_ids:
            self._failures[run_id] += 1
            self._together[run_id] = max(1, len(run_ids) // 2)
        if len(run_ids) == 1 and self._failures[run_ids[0]] >= TRIES:
            self._given_up.update(run_ids)
        return self._given_up.intersection(run_ids)
