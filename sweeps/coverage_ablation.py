"""Table 2 of the paper: SMORe and GoFAR as expert data become scarce."""

from baselines.gofar import GoFAR
from smore_sweep import Grid, Sweep
from smore_sweep.smore import SMORe
from sweeps._budgets import MANIPULATION, scales

SWEEP = Sweep(
    name="coverage_ablation",
    description="Table 2: expert coverage of 5, 2.5 and 1%",
    grids=[Grid(methods=[SMORe(), GoFAR()], tasks=MANIPULATION, expert_share=[0.05, 0.025, 0.01])],
    scales=scales(*MANIPULATION),
)
