"""Which evaluations are a run's result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.frames.runs import load
from smore_sweep.results import run_files
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import DONE, Record
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.smore import SMORe

BUDGET = Budget(episodes=10, updates=40, batch_size=8, evaluate_every=10, evaluation_episodes=4, final_episodes=4)


@pytest.mark.parametrize(("task", "expected"), [("pointmaze-medium-navigate", 0.75), ("FetchReach", 1.0)])
def test_ogbenchs_are_means_of_the_last_three_evaluations(task: str, expected: float, tmp_path: Path) -> None:
    """Of 0, 2, 3 and 4 episodes in 4 the last three have a mean of 3."""
    run = RunSpec(method=SMORe(), task=task, expert_share=1.0, seed=0, scale="test", budget=BUDGET)
    evaluations = {}
    for update, successes in ((10, 0), (20, 2), (30, 3), (40, 4)):
        reached = np.zeros((4, 5), bool)
        reached[:successes] = True
        evaluations[update] = Outcomes(reached, reached, np.zeros((4, 5), np.float32))
    run_files.save(tmp_path, run.run_id, Record(run.content(), DONE, 40, 1.0, {}, evaluations=evaluations))
    row = load([run], tmp_path).iloc[0]
    assert (row["ever"], row["success"]) == (expected, expected)
