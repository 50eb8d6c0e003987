"""The one writer of the results folder and of MLflow.

It runs as an actor beside the driver (:mod:`smore_sweep.trainable`) and so knows neither ray nor torch: it has to be
ready before the first worker is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from smore_sweep import record as records
from smore_sweep.record import PARTIAL, Record
from smore_sweep.tracking import Job, Tracker, TrackingError

PAUSE = 60.0
"""Seconds for which MLflow is left alone after it could not be used: every try waits for it, and so does the end."""


class Recorder:
    """Writes records to disk, then shows them in MLflow. If MLflow goes away, the records are kept all the same.

    Whoever keeps a record waits for the disk only: a thread shows the records, and of a run the latest."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._tracker = Tracker(job)
        self._tracker.interrupt()  # entries that a killed driver left RUNNING
        self._trouble = ""
        self._away_until = 0.0
        self._closed = False
        self._unseen: dict[str, tuple[Record, str, Path]] = {}
        self._publisher = ThreadPoolExecutor(1)
        self._shown: list[Future[None]] = []

    def load(self, run_ids: Sequence[str]) -> list[Record | None]:
        """The runs' records as they are on disk."""
        return [records.load(self._job.results, run_id) for run_id in run_ids]

    def keep(self, kept: Sequence[tuple[str, Record]], titles: Sequence[str]) -> None:
        """Write records, then show them in MLflow."""
        paths = [records.save(self._job.results, run_id, record) for run_id, record in kept]
        for (run_id, record), title, path in zip(kept, titles, paths, strict=True):
            self._show(run_id, record, title, path)

    def publish(self, hidden: Sequence[tuple[str, str]]) -> None:
        """Show in MLflow the ended runs (id, title) that are on disk but not yet there."""
        for run_id, title in hidden:
            record = records.load(self._job.results, run_id)
            if record is not None:
                self._show(run_id, record, title, records.run_folder(self._job.results, run_id) / "done.npz")

    def close(self) -> str:
        """Nothing trains any more: no entry may say that it does, and none is opened from now on. Returns what went
        wrong with MLflow, if something did."""
        self._closed = True
        self._publisher.shutdown()
        for shown in self._shown:
            shown.result()
        try:
            self._tracker.interrupt()
        except TrackingError as error:
            self._trouble = str(error)
        return self._trouble

    def _show(self, run_id: str, record: Record, title: str, path: Path) -> None:
        if not self._closed:
            now = replace(record, metrics={**record.metrics}, evaluations={**record.evaluations}, learner={}, policy={})
            self._unseen[run_id] = now, title, path
            self._shown.append(self._publisher.submit(self._publish, run_id))

    def _publish(self, run_id: str) -> None:
        if run_id not in self._unseen:  # a later record of the run was there in time
            return
        record, title, path = self._unseen.pop(run_id)
        if time.monotonic() < self._away_until:
            return
        tags = {"title": title, **self._job.tags, **record.facts}
        ended = record.status != PARTIAL
        try:
            self._tracker.publish(run_id, record, tags, path if ended else None)
        except TrackingError as error:
            self._trouble = str(error)
            self._away_until = time.monotonic() + PAUSE
            return
        if ended:
            records.note_published(self._job.results, run_id, self._job.tracking_uri)
