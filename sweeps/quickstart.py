"""A first look: SMORe against GoFAR with little expert data, in minutes on two CPU cores."""

from dataclasses import replace

from baselines.gofar import GoFAR
from smore_sweep import Grid, Scale, Sweep
from smore_sweep.smore import SMORe
from sweeps._budgets import LAPTOP, NARROW, SMOKE

METHODS = [SMORe(), GoFAR()]

SWEEP = Sweep(
    name="quickstart",
    description="SMORe against GoFAR with little expert data, networks of 2 x 128",
    grids=[
        Grid(methods=METHODS, tasks=["FetchReach"], expert_share=[0.05, 0.01]),
        Grid(methods=METHODS, tasks=["Reacher"], expert_share=[0.05]),
    ],
    scales={
        "smoke": Scale(tasks=["FetchReach", "Reacher"], seeds=2, budget=SMOKE, knobs=NARROW),
        "laptop": Scale(
            tasks=["FetchReach", "Reacher"],
            seeds=5,
            budget=replace(LAPTOP, updates=1_000, evaluate_every=500, evaluation_episodes=2, final_episodes=10),
            # The papers' learning rates suit a million updates (docs/results/learning_rate.md).
            knobs={**NARROW, "learning_rate": 3e-3},
            per_task={"Reacher": {"updates": 3_000, "evaluate_every": 1_000}},
        ),
    },
)
