"""Tables 6, 7 and 8 of the paper, and Table 2 run for run: every method as expert data become scarce."""

from baselines.am import AM
from baselines.crl import CRL
from baselines.gcsl import GCSL
from baselines.gofar import GoFAR
from baselines.iql import GCIQL
from baselines.wgcsl import WGCSL
from smore_sweep.smore import SMORe
from smore_sweep.spec import Grid, Sweep
from sweeps._budgets import MANIPULATION, scales

METHODS = [SMORe(), GoFAR(), WGCSL(), GCSL(), CRL(), AM(), GCIQL()]

SWEEP = Sweep(
    name="coverage_methods",
    description="Tables 6 to 8: every method at expert coverage of 5, 2.5 and 1%",
    grids=[Grid(methods=METHODS, tasks=MANIPULATION, expert_share=[0.05, 0.025, 0.01])],
    scales=scales(*MANIPULATION),
)
