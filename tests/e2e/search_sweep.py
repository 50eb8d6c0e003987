"""A sweep for the tests of the search: small networks whose learning rates differ."""

from baselines.gofar import GoFAR
from smore_sweep.run_spec import Budget
from smore_sweep.spec import Grid, Scale, Sweep, grid

RATES = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 3e-2]

SWEEP = Sweep(
    name="searched",
    description="a sweep for the tests of the search",
    grids=[Grid(methods=grid(GoFAR, hidden=16, learning_rate=RATES), tasks=["PointReach"], expert_share=[0.5])],
    scales={
        "smoke": Scale(
            tasks=["PointReach"],
            seeds=2,
            budget=Budget(
                episodes=20, updates=90, batch_size=32, evaluate_every=10, evaluation_episodes=2, final_episodes=2
            ),
        )
    },
)
