"""A sweep for the tests of SLURM: few, tiny and quick runs, which keep records slowly for as long as a file exists."""

import os
import time
from pathlib import Path

from baselines.gcsl import GCSL
from smore_sweep.results import run_files
from smore_sweep.run_spec import Budget
from smore_sweep.spec import Grid, Scale, Sweep

BUDGET = Budget(episodes=40, updates=400, batch_size=32, evaluate_every=20, evaluation_episodes=1, final_episodes=4)

SWEEP = Sweep(
    name="slurm",
    description="a sweep for the tests of SLURM",
    grids=[Grid(methods=[GCSL(hidden=16)], tasks=["Reacher"], expert_share=[0.1, 0.2])],
    scales={"laptop": Scale(tasks=["Reacher"], seeds=2, budget=BUDGET)},
)

SLOWLY = "SMORE_SWEEP_TEST_SLOWLY"
"""Environment variable with the file."""

if SLOWLY in os.environ:
    save = run_files.save

    def save_slowly(*arguments):  # type: ignore[no-untyped-def]
        if Path(os.environ[SLOWLY]).exists():
            time.sleep(3.0)
        return save(*arguments)

    run_files.save = save_slowly
