"""Publish to MLflow what workers without a driver have written; one process at a time does."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from smore_sweep.errors import LockedError, UserError
from smore_sweep.execution.session import sweep_experiment
from smore_sweep.planning.plan import Plan
from smore_sweep.results import record
from smore_sweep.results.record_writer import RecordingError
from smore_sweep.results.recorder import recording
from smore_sweep.spec import Sweep
from smore_sweep.storage.lease import BEAT, lease

LATER = "the results are safe, and smore-sweep run shows them there later"


class Publisher:
    """Publishes ended and failed runs from their records. A run that another process has published is left as it is."""

    def __init__(self, sweep: Sweep, results: Path, say: Callable[[str], None]) -> None:
        self._sweep = sweep
        self._results = results
        self._say = say
        self._published: set[str] = set()

    def publish(self, plan: Plan, failures: Mapping[str, str], *, wait: bool) -> None:
        """Publish what MLflow lacks.

        Args:
            plan: The plan, with the runs that have ended.
            failures: The errors of runs that were given up, by run id.
            wait: Whether to wait for another process that publishes, which may not see the last runs.
        """
        ended = {run.run_id for run in plan.runs if plan.states[run.run_id] == record.DONE}
        while failures or not ended <= self._published:
            try:
                self._published |= self._publish(plan, ended, failures)
                return
            except LockedError:
                if not wait:
                    return
                time.sleep(BEAT)
            except UserError as error:
                self._say(f"MLflow is not available ({error}); {LATER}")
                return
            except RecordingError as error:
                self._say(f"MLflow does not show all runs: {error}; {LATER}")
                return

    def _publish(self, plan: Plan, ended: set[str], failures: Mapping[str, str]) -> set[str]:
        """Publish runs; return the ended ones that MLflow shows. What it misses is left to the next call.

        Raises:
            LockedError: Another process publishes.
            RecordingError: It cannot be noted what is published.
            UserError: MLflow cannot be used.
        """
        titles = {run.run_id: run.title for run in plan.runs}
        with (
            lease(self._results / "publisher.lease", f"process {os.getpid()}", lambda _: None) as fence,
            recording(sweep_experiment(self._sweep, self._results), self._say, fence) as recorder,
        ):
            recorder.publish([(run_id, titles[run_id]) for run_id in titles if run_id in ended])
            recorder.publish_failed(failures, titles)
        return recorder.published(list(ended))
