"""Table 13 of the paper: GoFAR without its discriminator, and with SMORe's losses."""

from baselines.gofar import GoFAR
from baselines.gofar_expectile import GoFARExpectile
from smore_sweep import Grid, Sweep
from smore_sweep.smore import SMORe
from sweeps._budgets import ABLATION, EXPERT_SHARE, scales

SWEEP = Sweep(
    name="gofar_variants",
    description="Table 13: variants of GoFAR",
    grids=[
        Grid(
            methods=[SMORe(), GoFAR(), GoFAR(reward="binary"), GoFARExpectile()],
            tasks=ABLATION,
            expert_share=[EXPERT_SHARE],
        )
    ],
    scales=scales(*ABLATION),
)
