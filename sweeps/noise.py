"""Figure 2 of the paper: FetchReach with noise on the actions, in the data and in evaluation."""

from baselines.am import AM
from baselines.crl import CRL
from baselines.gcsl import GCSL
from baselines.gofar import GoFAR
from baselines.iql import GCIQL
from baselines.wgcsl import WGCSL
from smore_sweep.smore import SMORe
from smore_sweep.spec import Grid, Sweep
from sweeps._budgets import EXPERT_SHARE, scales

METHODS = [SMORe(), GoFAR(), WGCSL(), GCSL(), CRL(), AM(), GCIQL()]
TASKS = ["FetchReach", "FetchReachNoise0.5", "FetchReachNoise1.0", "FetchReachNoise1.5"]

SWEEP = Sweep(
    name="noise",
    description="Figure 2: FetchReach with noise on the actions",
    grids=[Grid(methods=METHODS, tasks=TASKS, expert_share=[EXPERT_SHARE])],
    scales=scales(*TASKS),
)
