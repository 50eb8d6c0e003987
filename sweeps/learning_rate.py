"""SMORe's learning rate, with two temperatures: the paper's 3e-4 is made for a million updates, and FetchPush showed
what it costs in ten thousand (docs/fetchpush.md)."""

from smore_sweep.smore import SMORe
from smore_sweep.spec import Sweep, grid
from sweeps._budgets import MANIPULATION, at_papers_share, scales

SWEEP = Sweep(
    name="learning_rate",
    description="SMORe's learning rate, with two temperatures",
    grids=at_papers_share(grid(SMORe, learning_rate=[3e-4, 1e-3, 3e-3], temperature=[1.0, 3.0]), MANIPULATION),
    scales=scales(*MANIPULATION),
)
