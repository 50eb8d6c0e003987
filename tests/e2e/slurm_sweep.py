"""A sweep for the tests of SLURM: few, tiny and quick runs, with many evaluations to stop at."""

from baselines.gcsl import GCSL
from smore_sweep.spec import Budget, Grid, Scale, Sweep

BUDGET = Budget(episodes=40, updates=600, batch_size=32, evaluate_every=20, evaluation_episodes=1, final_episodes=4)

SWEEP = Sweep(
    name="slurm",
    description="a sweep for the tests of SLURM",
    grids=[Grid(methods=[GCSL(hidden=16)], tasks=["Reacher"], expert_share=[0.1, 0.2])],
    scales={"laptop": Scale(tasks=["Reacher"], seeds=2, budget=BUDGET)},
)
