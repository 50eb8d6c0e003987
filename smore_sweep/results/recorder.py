"""The one writer of the results folder and of MLflow.

It runs as an actor beside the driver (:mod:`smore_sweep.execution.trainable`) and so knows neither ray nor
torch: it has to be ready before the first worker is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

from smore_sweep.errors import StorageError, TrackingError, UserError
from smore_sweep.results import run_files
from smore_sweep.results.record import DIVERGED, PARTIAL, Record, log_line
from smore_sweep.results.retries import LOSSES, RetryPolicy
from smore_sweep.results.tracking import Experiment, Tracker
from smore_sweep.storage.paths import StoragePath, is_file

PAUSE = 60.0
"""Seconds for which MLflow is left alone after it could not be used: every try waits for it, and so does the end."""


class RecordingError(Exception):
    """Results cannot be kept any more, so there is no use in training."""


@dataclass(frozen=True)
class Candidate:
    """A run as its worker knows it: ``fresh`` is the record to begin with if there is none yet."""

    run_id: str
    title: str
    fresh: Record


@dataclass(frozen=True)
class Assignment:
    """What a worker trains next: ``members`` are runs (by id) that stand at the same update. Of the stack's other runs
    ``ended`` have ended, and all of those have ``behind`` updates behind them. ``news`` are sentences for people: what
    failed since the last part."""

    members: list[tuple[str, Record]]
    ended: int
    behind: int
    news: list[str]


class Recorder:
    """Writes records to disk, then shows them in MLflow. If MLflow goes away, the records are kept all the same.

    Whoever keeps a record waits for the disk only: a thread shows the records, and of a run the latest."""

    def __init__(self, job: Experiment) -> None:
        self._job = job
        self._refusal: UserError | None = None
        try:
            is_file(job.results / "driver.lock")  # this process may have another environment than its starter
            self._tracker = Tracker(job)
            self._end_entries()
        except UserError as error:
            self._refusal = error
        self._trouble = ""
        self._away_until = 0.0
        self._closed = False
        self._attempts = RetryPolicy()
        self._candidates: dict[str, Candidate] = {}
        self._unsaved: dict[str, list[str]] = {}  # lines of logs: starts since the last kept record
        self._news: list[str] = []
        self._failed: dict[str, list[str]] = {}
        self._unseen: dict[str, tuple[Record, str, StoragePath | None, str]] = {}
        self._publisher = ThreadPoolExecutor(1)
        self._shown: list[Future[None]] = []

    def check(self) -> None:
        """Raise the :class:`UserError` for which the results or the tracking store cannot be used, if there is one. The
        constructor does not raise it: Ray would turn it into text."""
        if self._refusal:
            raise self._refusal

    def begin(self, candidates: Sequence[Candidate], where: str) -> Assignment:
        """What a worker trains next of its stack; no members if nothing is left to be tried. ``where`` names the
        worker, for the runs' logs. Raises :class:`RecordingError` if the results cannot be written."""
        self.check()
        for candidate in candidates:
            self._candidates.setdefault(candidate.run_id, candidate)
        found = run_files.peek_each(self._job.results, [candidate.run_id for candidate in candidates])
        behind = {
            candidate.run_id: found[candidate.run_id].update if candidate.run_id in found else 0
            for candidate in candidates
        }
        unfinished = {
            run_id: update
            for run_id, update in behind.items()
            if run_id not in found or found[run_id].status == PARTIAL
        }
        while part := self._attempts.choose(unfinished):
            lost = self._attempts.losses(part)
            if lost < LOSSES:
                break
            self.fail(part, f"its worker was lost {lost} times without progress; is it out of memory?")
        again = "its worker was lost; " if part and self._attempts.losses(part) else ""
        company = f"in a stack of {len(part)}" if len(part) > 1 else "by itself"
        for run_id in part:
            line = log_line(f"{again}training from update {behind[run_id]:,} {company}, {where}")
            self._unsaved.setdefault(run_id, []).append(line)
        members = list(self._load(part).items())
        self._attempts.start(part)
        news, self._news = self._news, []
        rest = [updates for run_id, updates in behind.items() if run_id not in part]
        return Assignment(members, len(candidates) - len(unfinished), sum(rest), news)

    def keep(self, kept: Sequence[tuple[str, Record]]) -> None:
        """Write records of runs that have begun, then show them in MLflow. Raises :class:`RecordingError` if they
        cannot be written."""
        paths = [self._save(run_id, record) for run_id, record in kept]
        self._attempts.progress(run_id for run_id, _ in kept)
        for (run_id, record), path in zip(kept, paths, strict=True):
            if record.status == DIVERGED:
                self._news.append(f"diverged at update {record.update:,}: {self._candidates[run_id].title}")
            self._show(run_id, record, self._candidates[run_id].title, path)

    def fail(self, run_ids: Sequence[str], error: str, trace: str = "") -> None:
        """Training these runs together failed, with this error (one line) and traceback. Each is tried once more by
        itself; one for which that was the second time is given up, until the sweep's command is given again. Raises
        :class:`RecordingError` as :meth:`keep`."""
        unfinished = {run_id: record for run_id, record in self._load(run_ids).items() if record.status == PARTIAL}
        again = []
        for run_id, record in unfinished.items():
            title = self._candidates[run_id].title
            given_up = self._attempts.fail(run_id)
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
        """A sentence for each error for which runs were given up."""
        return [f"{_several(titles)}: {error}" for error, titles in self._failed.items()]

    def publish(self, ended: Sequence[tuple[str, str]]) -> None:
        """Show those ended runs (id, title) in MLflow that are not there, because it was away when they ended, or lost
        what it had."""
        self.check()
        shown = run_files.published(self._job.results, [run_id for run_id, _ in ended], self._tracker.store)
        for run_id, title in ended:
            if run_id in shown:
                continue
            record = run_files.load(self._job.results, run_id)
            if record is not None:
                self._show(run_id, record, title, run_files.run_folder(self._job.results, run_id) / "done.npz")

    def close(self) -> str:
        """Nothing trains any more: no entry may say that it does, and none is opened from now on. Returns a sentence
        about what went wrong with MLflow, if something did. Raises :class:`RecordingError` as :meth:`keep`."""
        self._closed = True
        self._publisher.shutdown()
        if self._refusal:
            return ""
        try:
            self._tracker.interrupt()
        except TrackingError as error:
            self._trouble = str(error)
        for shown in self._shown:
            shown.result()
        if not self._trouble:
            return ""
        return f"MLflow was away ({self._trouble}); the results are safe, and the same command will show them there"

    def _end_entries(self) -> None:
        """Close the entries that a killed driver left RUNNING."""
        try:
            self._tracker.interrupt()
        except TrackingError as error:
            raise TrackingError(f"the tracking store cannot be used: {error}") from None

    def _load(self, run_ids: Sequence[str]) -> dict[str, Record]:
        """The runs' records as they are on disk or, if there are none yet, fresh ones."""
        found = run_files.load_each(self._job.results, run_ids)
        standing = {run_id: found.get(run_id, self._candidates[run_id].fresh) for run_id in run_ids}
        return {
            run_id: replace(record, log=[*record.log, *self._unsaved.get(run_id, [])])
            for run_id, record in standing.items()
        }

    def _save(self, run_id: str, record: Record) -> StoragePath:
        with self._writing():
            path = run_files.save(self._job.results, run_id, record)
        self._unsaved.pop(run_id, None)
        return path

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RecordingError(f"results folder {self._job.results} cannot be written: {error.strerror}") from None
        except StorageError as error:  # of an object store
            raise RecordingError(str(error)) from None

    def _show(self, run_id: str, record: Record, title: str, path: StoragePath | None = None, error: str = "") -> None:
        if not self._closed:
            now = replace(
                record, metrics={**record.metrics}, evaluations={**record.evaluations}, log=[*record.log],
                learner={}, policy={},
            )  # fmt: skip
            self._unseen[run_id] = now, title, path, error
            self._shown.append(self._publisher.submit(self._publish, run_id))

    def _publish(self, run_id: str) -> None:
        if run_id not in self._unseen:  # a later record of the run was there in time
            return
        record, title, path, error = self._unseen.pop(run_id)
        if time.monotonic() < self._away_until:
            return
        tags = {"title": title, **self._job.tags, **record.facts}
        ended = record.status != PARTIAL
        try:
            self._tracker.publish(run_id, record, tags, path if ended else None, error)
        except TrackingError as trouble:
            self._trouble = str(trouble)
            self._away_until = time.monotonic() + PAUSE
            return
        if ended:
            with self._writing():
                run_files.note_published(self._job.results, run_id, self._tracker.store)


@contextmanager
def recording(job: Experiment, warn: Callable[[str], None]) -> Iterator[Recorder]:
    """A recorder in this process, which is closed on the way out; ``warn`` is told what went wrong with MLflow then."""
    recorder = Recorder(job)
    recorder.check()
    try:
        yield recorder
    finally:
        if trouble := recorder.close():
            warn(trouble)


def _several(titles: Sequence[str]) -> str:
    others = len(titles) - 1
    return titles[0] + (f" and {others} other{'s' * (others > 1)}" if others else "")
