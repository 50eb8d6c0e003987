"""OGBench: its six methods, and SMORe, GoFAR and WGCSL, on three of its tasks.

docs/results/ogbench.md has the predictions and, beside the paper's figures, the outcomes.
"""

from baselines.gcbc import GCBC
from baselines.gcivl import GCIVL
from baselines.gofar import GoFAR
from baselines.hiql import HIQL
from baselines.ogbench_crl import OGBenchCRL
from baselines.ogbench_gciql import OGBenchGCIQL
from baselines.qrl import QRL
from baselines.wgcsl import WGCSL
from smore_sweep import Budget, Grid, Scale, Sweep
from smore_sweep.smore import SMORe

TASKS = ("pointmaze-medium-navigate", "pointmaze-large-stitch", "cube-single-play")
EPISODES = {"pointmaze-large-stitch": {"episodes": 5_000}}
"""A million steps in each dataset: 5,000 episodes of 200, or 1,000 of 1,000."""

SWEEP = Sweep(
    name="ogbench",
    description="OGBench: its six methods, and SMORe, GoFAR and WGCSL",
    grids=[
        Grid(
            # The data have no commanded goals, so all goals of SMORe and WGCSL are hindsight goals.
            methods=[
                GCBC(), GCIVL(), OGBenchGCIQL(), SMORe(her_ratio=1.0), GoFAR(), WGCSL(her_ratio=1.0),
                QRL(), OGBenchCRL(), HIQL(),
            ],
            tasks=TASKS,
        )
    ],
    default_scale="workstation",
    scales={
        "smoke": Scale(
            tasks=TASKS,
            seeds=2,
            budget=Budget(
                episodes=4, updates=40, batch_size=32, evaluate_every=20, evaluation_episodes=1, final_episodes=5
            ),
            knobs={"hidden": 32},
        ),
        # A run's result is the mean of its last three evaluations: at 80, 90 and 100% of its updates, as in the paper,
        # or at 60, 80 and 100% where they take as long as training.
        "workstation": Scale(
            tasks=TASKS,
            seeds=3,
            budget=Budget(
                episodes=1_000, updates=40_000, batch_size=256, evaluate_every=4_000, evaluation_episodes=50,
                final_episodes=50,
            ),
            per_task={**EPISODES, "cube-single-play": {"evaluate_every": 8_000, "evaluation_episodes": 20}},
            # A quarter of the paper's widths, of hidden layers as of representations (HIQL's of 10 stay).
            knobs={"hidden": 128},
            tuned={
                (method, task): knobs
                for method, knobs in (("QRL", {"components": 16}), ("CRL (OGBench)", {"repr_dim": 128}))
                for task in TASKS
            },
        ),
        "paper": Scale(
            tasks=TASKS,
            seeds=8,
            budget=Budget(
                episodes=1_000, updates=1_000_000, batch_size=1_024, evaluate_every=100_000, evaluation_episodes=250,
                final_episodes=250,
            ),
            per_task=EPISODES,
        ),
    },
)  # fmt: skip
