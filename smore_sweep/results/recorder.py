"""The only writer of the results folder and of MLflow.

It runs as an actor beside the driver (:mod:`smore_sweep.execution.trainable`). It imports neither ray nor torch, to be
ready before the first worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from smore_sweep.errors import LockedError, StorageError, TrackingError, UserError
from smore_sweep.results import run_files
from smore_sweep.results.mirrors import MirrorFeed
from smore_sweep.results.record import DIVERGED, PARTIAL, Record, log_line
from smore_sweep.results.retries import LOSSES, RetryPolicy
from smore_sweep.results.tracking import Experiment, Tracker
from smore_sweep.storage.fence import OPEN, Fence
from smore_sweep.storage.paths import StoragePath, is_file

PAUSE = 60.0
"""Seconds without calls to MLflow after one failed: each call blocks the publisher, and the end of the sweep."""


class RecordingError(Exception):
    """Results cannot be written any more, so training has to stop."""


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
    """

    members: list[tuple[str, Record]]
    ended: int
    behind: int
    news: list[str]


class Recorder:
    """Writes records to disk, then publishes them to MLflow. The records are safe even if MLflow goes away.

    Callers wait for the disk only: a thread publishes, and of each run only the latest record. Nothing is written or
    published once another process may hold the lock.
    """

    def __init__(self, experiment: Experiment, fence: Fence = OPEN) -> None:
        self._experiment = experiment
        self._fence = fence
        self._refusal: UserError | None = None
        try:
            is_file(experiment.results / "driver.lock")  # this process may have another environment than its parent
            self._tracker = Tracker(experiment)
            self._end_entries()
            self._mirrors = [MirrorFeed(name, experiment, partial(self._mirrored, name)) for name in experiment.mirrors]
        except UserError as error:
            self._refusal = error
        self._trouble = ""
        self._away_until = 0.0
        self._closed = False
        self._retries = RetryPolicy()
        self._candidates: dict[str, Candidate] = {}
        self._unsaved: dict[str, list[str]] = {}  # log lines: starts since the last written record
        self._news: list[str] = []
        self._closing: list[str] = []
        self._failed: dict[str, list[str]] = {}
        self._unseen: dict[str, tuple[Record, str, StoragePath | None, str]] = {}
        self._publisher = ThreadPoolExecutor(1)
        self._publications: list[Future[None]] = []

    def check(self) -> None:
        """Raise the :class:`UserError` that makes the results or the tracking store unusable, if there is one.

        The constructor does not raise it, because Ray would turn it into text.
        """
        if self._refusal:
            raise self._refusal

    def begin(self, candidates: Sequence[Candidate], where: str) -> Assignment:
        """Assign a worker the runs of its stack that it trains next; no members if nothing is left to try.

        Args:
            candidates: All runs of the stack.
            where: Name of the worker, for the runs' logs.

        Raises:
            RecordingError: The results cannot be written.
        """
        self.check()
        for candidate in candidates:
            self._candidates.setdefault(candidate.run_id, candidate)
        every = [candidate.run_id for candidate in candidates]
        stored = run_files.peek_each(self._experiment.results, every, self._news.append)
        behind = {run_id: stored[run_id].update if run_id in stored else 0 for run_id in every}
        ended = {run_id for run_id, summary in stored.items() if summary.status != PARTIAL}
        unfinished = {run_id: behind[run_id] for run_id in every if run_id not in ended}
        run_ids, records = self._choose(unfinished)
        behind |= unfinished
        again = "its worker was lost; " if run_ids and self._retries.losses(run_ids) else ""
        company = f"in a stack of {len(run_ids)}" if len(run_ids) > 1 else "by itself"
        for run_id in run_ids:
            line = log_line(f"{again}training from update {behind[run_id]:,} {company}, {where}")
            self._unsaved.setdefault(run_id, []).append(line)
            records[run_id].log.append(line)
        self._retries.start(run_ids)
        news, self._news = self._news, []
        rest = sum(updates for run_id, updates in behind.items() if run_id not in run_ids)
        return Assignment(list(records.items()), len(ended), rest, news)

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
        """Write the records of assigned runs, then publish them.

        Raises:
            RecordingError: They cannot be written.
        """
        paths = [self._save(run_id, record) for run_id, record in records]
        self._retries.progress(run_id for run_id, _ in records)
        for (run_id, record), path in zip(records, paths, strict=True):
            if record.status == DIVERGED:
                self._news.append(f"diverged at update {record.update:,}: {self._candidates[run_id].title}")
            self._show(run_id, record, self._candidates[run_id].title, path)

    def fail(self, run_ids: Sequence[str], error: str, trace: str = "") -> None:
        """Note that training these runs together failed.

        Each run is tried once more by itself. After its second failure a run is given up, until the sweep's command is
        given again.

        Args:
            run_ids: The runs.
            error: The error, in one line.
            trace: Its traceback.

        Raises:
            RecordingError: As :meth:`keep`.
        """
        unfinished = {run_id: record for run_id, record in self._load(run_ids).items() if record.status == PARTIAL}
        again = []
        for run_id, record in unfinished.items():
            title = self._candidates[run_id].title
            given_up = self._retries.fail(run_id)
            record.note(
                f"failed: {error}\n{trace}".rstrip() if given_up else f"failed, and is tried again by itself: {error}"
            )
            self._save(run_id, record)
            if given_up:
                self._failed.setdefault(error, []).append(title)
                self._news.append(f"failed: {title}: {error}")
                self._show(run_id, record, title, error=error)
            else:
                again.append(title)
        if again:
            self._news.append(f"failed, and to be tried again one by one: {_several(again)}: {error}")

    def failed(self) -> list[str]:
        """Return a sentence per error for which runs were given up."""
        return [f"{_several(titles)}: {error}" for error, titles in self._failed.items()]

    def publish(self, ended: Sequence[tuple[str, str]]) -> None:
        """Publish those ended runs (id, title) that MLflow or a mirror lacks: it was away, lost its data, or is new."""
        self.check()
        results, run_ids = self._experiment.results, [run_id for run_id, _ in ended]
        stores = (self._tracker.store, *map(_store, self._experiment.mirrors))
        published = set(run_ids).intersection(*(run_files.published(results, run_ids, store) for store in stores))
        for run_id, title in ended:
            if run_id in published:
                continue
            record = run_files.load(results, run_id, self._closing.append)
            if record is not None:
                self._show(run_id, record, title, run_files.run_folder(results, run_id) / "done.npz")

    def retire(self, run_ids: Sequence[str]) -> None:
        """Put stored runs aside, here and in MLflow, to be trained again.

        Raises:
            RecordingError: As :meth:`keep`.
            TrackingError: MLflow is away.
        """
        self.check()
        for run_id in run_ids:
            self._tracker.discard(run_id)
            with self._writing():
                run_files.retire(self._experiment.results, run_id)

    def adopt(self, run_id: str, record: Record) -> None:
        """Write the record with which a run begins. Raises as :meth:`keep`."""
        self.check()
        self._save(run_id, record)

    def accept_code(self, facts: Mapping[str, Mapping[str, str]]) -> None:
        """Accept stored runs with the code of these fingerprints, by run id. Raises as :meth:`keep`."""
        self.check()
        for run_id, digests in facts.items():
            with self._writing():
                run_files.accept_code(self._experiment.results, run_id, digests)

    def close(self) -> str:
        """Publish the rest and end all entries; nothing is published afterwards.

        Returns:
            Sentences about broken records and trouble with MLflow, one per line, or an empty string.

        Raises:
            RecordingError: As :meth:`keep`.
        """
        self._closed = True
        self._publisher.shutdown()
        if self._refusal:
            return ""
        try:
            self._fence.check()  # the entries may be another driver's
            self._tracker.interrupt()
        except (LockedError, TrackingError) as error:
            self._trouble = str(error)
        self._closing += [trouble for mirror in self._mirrors if (trouble := mirror.close())]
        for publication in self._publications:
            publication.result()
        if self._trouble:
            away = f"MLflow was away ({self._trouble}); the results are safe, and the same command will show them there"
            self._closing.append(away)
        return "\n".join(self._closing)

    def _end_entries(self) -> None:
        """End the entries that a killed driver left RUNNING."""
        try:
            self._tracker.interrupt()
        except TrackingError as error:
            raise TrackingError(f"the tracking store cannot be used: {error}") from None

    def _load(self, run_ids: Sequence[str]) -> dict[str, Record]:
        """Return the runs' stored records, or fresh ones, with the log lines that are not written yet."""
        stored = run_files.load_each(self._experiment.results, run_ids, self._news.append)
        current = {run_id: stored.get(run_id, self._candidates[run_id].fresh) for run_id in run_ids}
        return {
            run_id: replace(record, log=[*record.log, *self._unsaved.get(run_id, [])])
            for run_id, record in current.items()
        }

    def _save(self, run_id: str, record: Record) -> StoragePath:
        with self._writing():
            path = run_files.save(self._experiment.results, run_id, record)
        self._unsaved.pop(run_id, None)
        return path

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._fence.check()
            yield
        except LockedError as error:
            raise RecordingError(f"results folder {self._experiment.results} cannot be written: {error}") from None
        except OSError as error:
            raise RecordingError(
                f"results folder {self._experiment.results} cannot be written: {error.strerror}"
            ) from None
        except StorageError as error:  # an object store that cannot be reached
            raise RecordingError(str(error)) from None

    def _show(self, run_id: str, record: Record, title: str, path: StoragePath | None = None, error: str = "") -> None:
        if not self._closed:
            snapshot = replace(
                record, metrics={**record.metrics}, evaluations={**record.evaluations}, log=[*record.log],
                learner={}, policy={}, kept={},
            )  # fmt: skip
            self._unseen[run_id] = snapshot, title, path, error
            self._publications.append(self._publisher.submit(self._publish, run_id))
            for mirror in self._mirrors:
                mirror.put(run_id, snapshot, title, {**self._experiment.tags, **_texts(record.facts)})

    def _mirrored(self, mirror: str, run_id: str) -> None:
        self._fence.check()
        run_files.note_published(self._experiment.results, run_id, _store(mirror))

    def _publish(self, run_id: str) -> None:
        if run_id not in self._unseen:  # published already, with an earlier call
            return
        record, title, path, error = self._unseen.pop(run_id)
        if time.monotonic() < self._away_until:
            return
        tags = {"title": title, **self._experiment.tags, **_texts(record.facts)}
        ended = record.status != PARTIAL
        try:
            self._fence.check()
            self._tracker.publish(run_id, record, tags, path if ended else None, error)
        except (LockedError, TrackingError) as trouble:
            self._trouble = str(trouble)
            self._away_until = time.monotonic() + PAUSE
            return
        if ended:
            with self._writing():
                run_files.note_published(self._experiment.results, run_id, self._tracker.store)


@contextmanager
def recording(experiment: Experiment, warn: Callable[[str], None], fence: Fence) -> Iterator[Recorder]:
    """Open a recorder in this process, and close it at the end. ``warn`` hears about trouble with MLflow."""
    recorder = Recorder(experiment, fence)
    recorder.check()
    try:
        yield recorder
    finally:
        if trouble := recorder.close():
            warn(trouble)


def _store(mirror: str) -> str:
    """Name of a mirror as a store of published runs."""
    return f"mirror {mirror}"


def _texts(facts: Mapping[str, object]) -> dict[str, str]:
    return {name: value for name, value in facts.items() if isinstance(value, str)}


def _several(titles: Sequence[str]) -> str:
    others = len(titles) - 1
    return titles[0] + (f" and {others} other{'s' * (others > 1)}" if others else "")
