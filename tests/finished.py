"""Runs that are done, without training them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from smore_sweep.results import record, run_files
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import Record
from smore_sweep.spec import RunSpec


def finish(results: Path, runs: Sequence[RunSpec]) -> None:
    """Write a record of each run, with two evaluations that are the same. Each run is at its goal a step later than the
    one before, of one episode's 50."""
    for number, run in enumerate(runs):
        reached = np.arange(50)[None, :] >= 10 + number
        outcomes = Outcomes(reached, reached, np.where(reached, 0.01, 0.2).astype(np.float32))
        done = Record(run.content(), record.DONE, run.budget.updates, facts={"git": "abc"})
        done.evaluations = {run.budget.updates // 2: outcomes, run.budget.updates: outcomes}
        run_files.save(results, run.run_id, done)
