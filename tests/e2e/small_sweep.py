"""A sweep for the tests: tiny networks on Reacher, a fast environment, but long enough to be killed in the middle."""

from baselines.gofar import GoFAR
from smore_sweep.run_spec import Budget
from smore_sweep.smore import SMORe
from smore_sweep.spec import Grid, Scale, Sweep

SWEEP = Sweep(
    name="small",
    description="a sweep for the tests",
    grids=[
        Grid(methods=[SMORe(hidden=16), GoFAR(hidden=16)], tasks=["Reacher"], expert_share=[0.1, 0.2]),
    ],
    scales={
        "laptop": Scale(
            tasks=["Reacher"],
            seeds=2,
            budget=Budget(
                episodes=40,
                updates=800,
                batch_size=32,
                evaluate_every=100,
                evaluation_episodes=2,
                final_episodes=4,
            ),
        )
    },
)
