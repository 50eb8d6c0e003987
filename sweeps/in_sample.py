"""Table 15 of the paper: SMORe against methods that learn values in-sample."""

from baselines.eql import GCEQL
from baselines.iql import GCIQL
from baselines.sql import GCSQL
from baselines.xql import GCXQL
from smore_sweep import Grid, Sweep
from smore_sweep.smore import SMORe
from sweeps._budgets import ABLATION, EXPERT_SHARE, scales

SWEEP = Sweep(
    name="in_sample",
    description="Table 15: in-sample value methods",
    grids=[Grid(methods=[SMORe(), GCIQL(), GCSQL(), GCEQL(), GCXQL()], tasks=ABLATION, expert_share=[EXPERT_SHARE])],
    scales=scales(*ABLATION),
)
