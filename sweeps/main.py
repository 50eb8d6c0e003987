"""Tables 1, 10 and 11 of the paper: twelve tasks, seven methods."""

from smore_sweep import Sweep
from sweeps._budgets import ALL, at_papers_share, scales
from sweeps._methods import SEVEN

SWEEP = Sweep(
    name="main",
    description="Tables 1, 10 and 11: seven methods on twelve tasks",
    grids=at_papers_share(SEVEN, ALL),
    scales=scales(*ALL),
)
