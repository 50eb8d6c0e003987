"""Table 12 of the paper, and more: SMORe's share of hindsight goals, down to none."""

from baselines.gofar import GoFAR
from smore_sweep import Grid, Sweep, grid
from smore_sweep.smore import SMORe
from sweeps._budgets import ABLATION, EXPERT_SHARE, scales

SWEEP = Sweep(
    name="her_ratio",
    description="Table 12: SMORe by its share of hindsight goals",
    grids=[
        Grid(
            methods=[*grid(SMORe, her_ratio=[0.8, 0.0, 0.2, 0.5, 1.0]), GoFAR()],
            tasks=ABLATION,
            expert_share=[EXPERT_SHARE],
        )
    ],
    scales=scales(*ABLATION),
)
