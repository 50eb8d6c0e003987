"""FetchPush, the hard case: what SMORe needs to learn to push. One thing changes at a time; docs/fetchpush.md keeps the
log of predictions and outcomes. Networks are half as wide as at paper scale, so that it fits a laptop (in half a day or
more)."""

from baselines.gcsl import GCSL
from smore_sweep.smore import SMORe
from smore_sweep.spec import Budget, Grid, Scale, Sweep
from sweeps._budgets import NARROW, SMOKE

STUDY = Budget(
    episodes=10_000, updates=200_000, batch_size=256, evaluate_every=10_000, evaluation_episodes=20, final_episodes=50
)  # fmt: skip

SWEEP = Sweep(
    name="fetchpush",
    description="FetchPush: the paper's reading; hindsight or moved goals, gentler weights, a faster target; cloning",
    grids=[
        Grid(
            methods=[
                SMORe(),
                SMORe(her_ratio=1.0),
                SMORe(moved_share=0.8),
                SMORe(moved_share=0.8, temperature=0.3),
                SMORe(moved_share=0.8, temperature=0.0),
                SMORe(moved_share=0.8, target_rate=0.02),
                GCSL(her_ratio=0.8),
            ],
            tasks=["FetchPush"],
            expert_share=[0.1],
        )
    ],
    scales={
        "smoke": Scale(tasks=["FetchPush"], seeds=2, budget=SMOKE, knobs=NARROW),
        "laptop": Scale(tasks=["FetchPush"], seeds=3, budget=STUDY, knobs=NARROW),
    },
)
