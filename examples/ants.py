"""OGBench's ant mazes, from its files: GCIVL and HIQL, with the budget of the sweep `ogbench`."""

from baselines.gcivl import GCIVL
from baselines.hiql import HIQL
from smore_sweep import Budget, Grid, Scale, Sweep

TASKS = ["antmaze-medium-navigate", "antmaze-medium-stitch"]

SWEEP = Sweep(
    name="ants",
    description="GCIVL and HIQL on ant mazes",
    grids=[Grid(methods=[GCIVL(), HIQL()], tasks=TASKS)],
    scales={
        "workstation": Scale(
            tasks=TASKS,
            seeds=3,
            budget=Budget(
                episodes=1_000,
                updates=40_000,
                batch_size=256,
                evaluate_every=4_000,
                evaluation_episodes=50,
                final_episodes=50,
            ),
            per_task={"antmaze-medium-stitch": {"episodes": 5_000}},  # of 200 steps
            knobs={"hidden": 128},
        )
    },
)
