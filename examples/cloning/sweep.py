"""Behaviour cloning in hindsight, by the share of hindsight goals."""

from hindsight_bc import HindsightBC

from smore_sweep import Budget, Grid, Scale, Sweep, grid

SWEEP = Sweep(
    name="cloning",
    description="Cloning by the share of hindsight goals",
    grids=[Grid(methods=grid(HindsightBC, her_ratio=[0.0, 0.5, 1.0]), tasks=["PointReach"], expert_share=[0.1])],
    scales={
        "small": Scale(
            tasks=["PointReach"],
            seeds=3,
            budget=Budget(
                episodes=500,
                updates=1000,
                batch_size=256,
                evaluate_every=500,
                evaluation_episodes=10,
                final_episodes=50,
            ),
            knobs={"hidden": 64},
        )
    },
)
