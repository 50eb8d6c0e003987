"""The only writer of the results folder and of MLflow in a sweep.

It runs as an actor beside the driver (:mod:`smore_sweep.execution.trainable`). It imports neither ray nor torch, to be
ready before the first worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from smore_sweep.errors import LockedError, TrackingError, UserError
from smore_sweep.results import run_files
from smore_sweep.results.mirrors import MirrorFeed
from smore_sweep.results.record import PARTIAL, Record
from smore_sweep.results.record_writer import Assignment, Candidate, RecordWriter
from smore_sweep.results.tracking import Experiment, Tracker
from smore_sweep.storage.fence import OPEN, Fence
from smore_sweep.storage.paths import StoragePath, is_file

PAUSE = 60.0
"""Seconds without calls to MLflow after one failed: each call blocks the publisher, and the end of the sweep."""


class Recorder(RecordWriter):
    """Writes records to disk, then publishes them to MLflow. The records are safe even if MLflow goes away.

    Callers wait for the disk only: a thread publishes, and of each run only the latest record. Nothing is written or
    published once another process may hold the lock.
    """

    def __init__(self, experiment: Experiment, fence: Fence = OPEN) -> None:
        super().__init__(experiment.results, fence)
        self._experiment = experiment
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
        self._closing: list[str] = []
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
        """Assign runs as :meth:`RecordWriter.begin` does, once the results and the tracking store are usable."""
        self.check()
        return super().begin(candidates, where)

    def publish(self, ended: Sequence[tuple[str, str]]) -> None:
        """Publish those ended runs (id, title) that MLflow or a mirror lacks: it was away, lost its data, or is new."""
        self.check()
        published = self.published([run_id for run_id, _ in ended])
        for run_id, title in ended:
            if run_id in published:
                continue
            record = run_files.load(self._results, run_id, self._closing.append)
            if record is not None:
                self.on_saved(run_id, record, title, run_files.run_folder(self._results, run_id) / "done.npz")

    def published(self, run_ids: Sequence[str]) -> set[str]:
        """Return those of the ended runs that MLflow and all mirrors show."""
        stores = (self._tracker.store, *map(_store, self._experiment.mirrors))
        return set(run_ids).intersection(*(run_files.published(self._results, run_ids, each) for each in stores))

    def publish_failed(self, failures: Mapping[str, str], titles: Mapping[str, str]) -> None:
        """Publish runs that other processes have given up, with the error of each, by run id."""
        self.check()
        for run_id, record in run_files.load_each(self._results, list(failures), self._closing.append).items():
            self.on_saved(run_id, record, titles[run_id], error=failures[run_id])

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
                run_files.retire(self._results, run_id)

    def adopt(self, run_id: str, record: Record) -> None:
        """Write the record with which a run begins. Raises as :meth:`keep`."""
        self.check()
        self._save(run_id, record)

    def accept_code(self, facts: Mapping[str, Mapping[str, str]]) -> None:
        """Accept stored runs with the code of these fingerprints, by run id. Raises as :meth:`keep`."""
        self.check()
        for run_id, digests in facts.items():
            with self._writing():
                run_files.accept_code(self._results, run_id, digests)

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

    def on_saved(
        self, run_id: str, record: Record, title: str, path: StoragePath | None = None, error: str = ""
    ) -> None:
        """Publish a snapshot of the record."""
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
                run_files.note_published(self._results, run_id, self._tracker.store)


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
