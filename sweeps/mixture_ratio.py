"""Table 9 of the paper: SMORe's mixture ratio."""

from smore_sweep import Grid, Sweep, grid
from smore_sweep.smore import SMORe
from sweeps._budgets import ABLATION, EXPERT_SHARE, scales

SWEEP = Sweep(
    name="mixture_ratio",
    description="Table 9: SMORe's mixture ratio beta",
    grids=[Grid(methods=grid(SMORe, beta=[0.5, 0.7, 0.8, 0.9]), tasks=ABLATION, expert_share=[EXPERT_SHARE])],
    scales=scales(*ABLATION),
)
