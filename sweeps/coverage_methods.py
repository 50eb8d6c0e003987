"""Tables 6, 7 and 8 of the paper, and Table 2 run for run: every method as expert data become scarce."""

from smore_sweep import Grid, Sweep
from sweeps._budgets import MANIPULATION, scales
from sweeps._methods import SEVEN

SWEEP = Sweep(
    name="coverage_methods",
    description="Tables 6 to 8: every method at expert coverage of 5, 2.5 and 1%",
    grids=[Grid(methods=SEVEN, tasks=MANIPULATION, expert_share=[0.05, 0.025, 0.01])],
    scales=scales(*MANIPULATION),
)
