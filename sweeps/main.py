"""Tables 1, 10 and 11 of the paper: twelve tasks, seven methods."""

from baselines.am import AM
from baselines.crl import CRL
from baselines.gcsl import GCSL
from baselines.gofar import GoFAR
from baselines.iql import GCIQL
from baselines.wgcsl import WGCSL
from smore_sweep.smore import SMORe
from smore_sweep.spec import Sweep
from sweeps._budgets import ALL, at_papers_share, scales

SWEEP = Sweep(
    name="main",
    description="Tables 1, 10 and 11: seven methods on twelve tasks",
    grids=at_papers_share([SMORe(), GoFAR(), WGCSL(), GCSL(), CRL(), AM(), GCIQL()], ALL),
    scales=scales(*ALL),
)
