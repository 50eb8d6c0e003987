"""Assign runs to workers and write their records.

It imports neither ray nor torch, to be ready before the first worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from smore_sweep.errors import LockedError, StorageError
from smore_sweep.results import run_files
from smore_sweep.results.record import DIVERGED, PARTIAL, Record, Summary, log_line
from smore_sweep.results.retries import LOSSES, RetryPolicy
from smore_sweep.storage.fence import OPEN, Fence
from smore_sweep.storage.paths import StoragePath


class RecordingError(Exception):
    """Results cannot be written any more, or would not be what they say, so training has to stop."""


@dataclass(frozen=True)
class Candidate:
    """A run that a worker offers to train. ``fresh`` is its initial record, used if none is stored."""

    run_id: str
    title: str
    fresh: Record


@dataclass(frozen=True)
class Assignment:
    """The runs that a worker trains next.

    Attributes:
        members: Run id and record of each, all at the same update.
        ended: Number of the stack's runs that have ended.
        behind: Total updates so far of the stack's runs that are not members.
        news: Sentences for people: failures since the last assignment.
        until: Update at which other runs of the stack wait for the members; None if none do.
        others: Summaries of the stack's runs that are not members, of those that have a record.
        room: Most members to which the stack may be filled up, if more were too many for a GPU's memory.
    """

    members: list[tuple[str, Record]]
    ended: int
    behind: int
    news: list[str]
    until: int | None = None
    others: Sequence[Summary] = ()
    room: int | None = None

    def filled_up_to(self, padded: int | None) -> int:
        """Return the number of members that train, in a sweep whose stacks are filled up to ``padded``."""
        whole = padded or len(self.members)
        return min(whole, self.room) if self.room else whole


class RecordWriter:
    """Writes the records of runs. Nothing is written once another process may hold the lock."""

    def __init__(self, results: StoragePath, fence: Fence = OPEN) -> None:
        self._results = results
        self._fence = fence
        self._retries = RetryPolicy()
        self._candidates: dict[str, Candidate] = {}
        self._unsaved: dict[str, list[str]] = {}  # log lines: starts since the last written record
        self._news: list[str] = []
        self.failures: dict[str, str] = {}
        """The error of each run that was given up, by run id."""

    def on_saved(
        self, run_id: str, record: Record, title: str, path: StoragePath | None = None, error: str = ""
    ) -> None:
        """Handle a written record; ``path`` is its file, ``error`` why the run was given up."""

    def begin(self, candidates: Sequence[Candidate], where: str) -> Assignment:
        """Assign a worker the runs of its stack that it trains next; no members if nothing is left to try.

        Args:
            candidates: All runs of the stack.
            where: Name of the worker, for the runs' logs.

        Raises:
            RecordingError: The results cannot be written, or a run would go on with other episodes.
        """
        for candidate in candidates:
            self._candidates.setdefault(candidate.run_id, candidate)
        every = [candidate.run_id for candidate in candidates]
        here = {candidate.run_id: candidate.fresh.facts for candidate in candidates}
        stored = run_files.peek_each(self._results, every, self._news.append)
        behind = {run_id: stored[run_id].update if run_id in stored else 0 for run_id in every}
        ended = {run_id for run_id, summary in stored.items() if summary.status != PARTIAL}
        unfinished = {run_id: behind[run_id] for run_id in every if run_id not in ended}
        for run_id in unfinished.keys() & stored.keys():
            self._check_episodes(run_id, stored[run_id].facts, here[run_id])
        run_ids, records = self._choose(unfinished)
        behind |= unfinished
        again = "its worker was lost; " if run_ids and self._retries.losses(run_ids) else ""
        company = f"in a stack of {len(run_ids)}" if len(run_ids) > 1 else "by itself"
        for run_id in run_ids:
            line = log_line(f"{again}training from update {behind[run_id]:,} {company}, {where}")
            self._unsaved.setdefault(run_id, []).append(line)
            records[run_id].log.append(line)
            _go_on_elsewhere(records[run_id].facts, here[run_id])
        self._retries.start(run_ids)
        news, self._news = self._news, []
        rest = sum(updates for run_id, updates in behind.items() if run_id not in run_ids)
        return Assignment(
            list(records.items()),
            len(ended),
            rest,
            news,
            self._retries.until(unfinished, run_ids) if run_ids else None,
            [summary for run_id, summary in stored.items() if run_id not in run_ids],
            self._retries.room(run_ids),
        )

    def _check_episodes(self, run_id: str, facts: Mapping[str, str], here: Mapping[str, str]) -> None:
        """Check that a partial run goes on with its episodes. Old records do not name them."""
        then, now = facts.get("dataset"), here.get("dataset")
        if then and now and then != now:
            raise RecordingError(
                f"{self._candidates[run_id].title} was begun on episodes of the fingerprint {then[:16]}, and those "
                f"of its source have {now[:16]} now; bring the former back, give the new ones another source, or "
                f"remove {run_files.run_folder(self._results, run_id)} to train it anew"
            )

    def _choose(self, unfinished: dict[str, int]) -> tuple[list[str], dict[str, Record]]:
        """Choose the runs to train next, and load them.

        The header of a record does not show that an array is broken, so a run may turn out to be behind its header.
        """
        while run_ids := self._retries.choose(unfinished):
            lost = self._retries.losses(run_ids)
            if lost >= LOSSES:
                self.fail(run_ids, f"its worker was lost {lost} times without progress; is it out of memory?")
                continue
            records = self._load(run_ids)
            updates = {run_id: record.update for run_id, record in records.items()}
            if updates.items() <= unfinished.items():
                return run_ids, records
            unfinished |= updates
        return [], {}

    def keep(self, records: Sequence[tuple[str, Record]]) -> None:
        """Write the records of assigned runs.

        Raises:
            RecordingError: They cannot be written.
        """
        paths = [self._save(run_id, record) for run_id, record in records]
        self._retries.progress(run_id for run_id, _ in records)
        for (run_id, record), path in zip(records, paths, strict=True):
            if record.status == DIVERGED:
                self._news.append(f"diverged at update {record.update:,}: {self._candidates[run_id].title}")
            self.on_saved(run_id, record, self._candidates[run_id].title, path)

    def fail(self, run_ids: Sequence[str], error: str, trace: str = "") -> None:
        """Note that training these runs together failed.

        They are tried again in halves. A run that fails by itself, not for the first time, is given up until the
        sweep's command is given again.

        Args:
            run_ids: The runs.
            error: The error, in one line.
            trace: Its traceback.

        Raises:
            RecordingError: As :meth:`keep`.
        """
        unfinished = {run_id: record for run_id, record in self._load(run_ids).items() if record.status == PARTIAL}
        again = []
        given_up = self._retries.fail(run_ids)
        for run_id, record in unfinished.items():
            title = self._candidates[run_id].title
            record.note(
                f"failed: {error}\n{trace}".rstrip() if run_id in given_up else f"failed, and is tried again: {error}"
            )
            self._save(run_id, record)
            if run_id in given_up:
                self.failures[run_id] = error
                self._news.append(f"failed: {title}: {error}")
                self.on_saved(run_id, record, title, error=error)
            else:
                again.append(title)
        if again:
            how = "in halves" if len(run_ids) > 3 else "one by one"
            self._news.append(f"failed, and to be tried again {how}: {_several(again)}: {error}")

    def crowded(self, run_ids: Sequence[str], members: int) -> None:
        """Note that a stack of so many members, with these runs, was too large for a GPU's memory.

        That is no failure: the runs are tried again in stacks of half the size.
        """
        room = members // 2
        self._retries.crowd(run_ids, room)
        sentence = f"a stack of {members} is too large for the GPU's memory; tried again in one of {room}"
        for run_id in run_ids:
            self._unsaved.setdefault(run_id, []).append(log_line(sentence))
        self._news.append(f"{_several([self._candidates[run_id].title for run_id in run_ids])}: {sentence}")

    def failed(self) -> list[str]:
        """Return a sentence per error for which runs were given up."""
        titles: dict[str, list[str]] = {}
        for run_id, error in self.failures.items():
            titles.setdefault(error, []).append(self._candidates[run_id].title)
        return [f"{_several(alike)}: {error}" for error, alike in titles.items()]

    def _load(self, run_ids: Sequence[str]) -> dict[str, Record]:
        """Return the runs' stored records, or fresh ones, with the log lines that are not written yet."""
        stored = run_files.load_each(self._results, run_ids, self._news.append)
        current = {run_id: stored.get(run_id, self._candidates[run_id].fresh) for run_id in run_ids}
        return {
            run_id: replace(
                record,
                # Copies: a stretch that fails before it is kept must not leave its entries in the candidate's record.
                facts=dict(record.facts),
                metrics=dict(record.metrics),
                evaluations=dict(record.evaluations),
                log=[*record.log, *self._unsaved.get(run_id, [])],
            )
            for run_id, record in current.items()
        }

    def _save(self, run_id: str, record: Record) -> StoragePath:
        with self._writing():
            path = run_files.save(self._results, run_id, record)
        self._unsaved.pop(run_id, None)
        return path

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._fence.check()
            yield
        except LockedError as error:
            raise RecordingError(f"results folder {self._results} cannot be written: {error}") from None
        except OSError as error:
            raise RecordingError(f"results folder {self._results} cannot be written: {error.strerror}") from None
        except StorageError as error:  # an object store that cannot be reached
            raise RecordingError(str(error)) from None


def _go_on_elsewhere(facts: dict[str, str], here: Mapping[str, str]) -> None:
    """Add the processor and the kernels of the present worker to those that a run had before."""
    for name in ("cpu", "kernels"):
        if name in facts and name in here and here[name] not in facts[name].split(", "):
            facts[name] += f", {here[name]}"


def _several(titles: Sequence[str]) -> str:
    others = len(titles) - 1
    return titles[0] + (f" and {others} other{'s' * (others > 1)}" if others else "")
