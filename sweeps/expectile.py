"""Appendix C of the paper: the expectile of SMORe's value."""

from smore_sweep import Sweep, grid
from smore_sweep.smore import SMORe
from sweeps._budgets import ALL, at_papers_share, scales

SWEEP = Sweep(
    name="expectile",
    description="Appendix C: the expectile of SMORe's value",
    grids=at_papers_share(grid(SMORe, expectile=[0.65, 0.7, 0.8, 0.85]), ALL),
    scales=scales(*ALL),
)
