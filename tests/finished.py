"""Records of finished runs without training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from smore_sweep.results import record, run_files
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import Record
from smore_sweep.run_spec import RunSpec


def finish(results: Path, runs: Sequence[RunSpec]) -> None:
    """Write a record per run, with two equal evaluations of one episode of 50 steps.

    Each run reaches its goal one step later than the one before.
    """
    for number, run in enumerate(runs):
        reached = np.arange(50)[None, :] >= 10 + number
        outcomes = Outcomes(reached, reached, np.where(reached, 0.01, 0.2).astype(np.float32))
        done = Record(run.content(), record.DONE, run.budget.updates, facts={"git": "abc"})
        done.evaluations = {run.budget.updates // 2: outcomes, run.budget.updates: outcomes}
        run_files.save(results, run.run_id, done)
