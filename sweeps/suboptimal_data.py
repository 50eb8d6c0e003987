"""Table 14 of the paper: no expert data at all."""

from baselines.gofar import GoFAR
from baselines.iql import GCIQL
from baselines.wgcsl import WGCSL
from smore_sweep import Grid, Sweep
from smore_sweep.smore import SMORe
from sweeps._budgets import ABLATION, scales

SWEEP = Sweep(
    name="suboptimal_data",
    description="Table 14: random data only",
    grids=[Grid(methods=[SMORe(), GoFAR(), WGCSL(), GCIQL()], tasks=ABLATION, expert_share=[0.0])],
    scales=scales(*ABLATION),
)
