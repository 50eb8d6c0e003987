"""The one writer of the results folder and of MLflow.

It runs as an actor beside the driver (:mod:`smore_sweep.trainable`) and so knows neither ray nor torch: it has to be
ready before the first worker is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from smore_sweep import record as records
from smore_sweep.place import Place, is_file
from smore_sweep.record import PARTIAL, Record
from smore_sweep.tracking import Job, Tracker, TrackingError

PAUSE = 60.0
"""Seconds for which MLflow is left alone after it could not be used: every try waits for it, and training waits too."""


class Recorder:
    """Writes records to disk, then shows them in MLflow. If MLflow goes away, the records are kept all the same."""

    def __init__(self, job: Job) -> None:
        is_file(job.results / "driver.lock")  # raises if this process, which may have another environment, cannot look
        self._job = job
        self._tracker = Tracker(job)
        self._tracker.interrupt()  # entries that a killed driver left RUNNING
        self._trouble = ""
        self._away_until = 0.0
        self._closed = False

    def load(self, run_ids: Sequence[str]) -> list[Record | None]:
        """The runs' records as they are on disk."""
        found = records.load_each(self._job.results, run_ids)
        return [found.get(run_id) for run_id in run_ids]

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
        try:
            self._tracker.interrupt()
        except TrackingError as error:
            self._trouble = str(error)
        return self._trouble

    def _show(self, run_id: str, record: Record, title: str, path: Place) -> None:
        if self._closed or time.monotonic() < self._away_until:
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
