"""The sweep to disturb: 40 runs in ten stacks, tiny networks on Reacher, 240 evaluations."""

from baselines.gcsl import GCSL
from baselines.gofar import GoFAR
from baselines.iql import GCIQL
from baselines.wgcsl import WGCSL
from smore_sweep.run_spec import Budget
from smore_sweep.smore import SMORe
from smore_sweep.spec import Grid, Scale, Sweep

SWEEP = Sweep(
    name="chaos",
    description="a sweep to be disturbed",
    grids=[
        Grid(
            methods=[method(hidden=16) for method in (SMORe, GoFAR, GCSL, WGCSL, GCIQL)],
            tasks=["Reacher"],
            expert_share=[0.1, 0.2],
        ),
    ],
    scales={
        "laptop": Scale(
            tasks=["Reacher"],
            seeds=4,
            budget=Budget(
                episodes=40,
                updates=480,
                batch_size=32,
                evaluate_every=80,
                evaluation_episodes=2,
                final_episodes=4,
            ),
        )
    },
)
