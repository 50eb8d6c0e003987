"""The inverse temperature of SMORe's policy weights (Eq. 11), which is 3 everywhere in the paper."""

from smore_sweep import Sweep, grid
from smore_sweep.smore import SMORe
from sweeps._budgets import MANIPULATION, at_papers_share, scales

SWEEP = Sweep(
    name="temperature",
    description="Eq. 11: the inverse temperature of SMORe's policy weights",
    grids=at_papers_share(grid(SMORe, temperature=[0.1, 0.3, 1.0, 3.0]), MANIPULATION),
    scales=scales(*MANIPULATION),
)
