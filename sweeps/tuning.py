"""Model selection (appendix C of the paper): the share of hindsight goals of every method that has one, by task.

Its seeds are no other sweep's. ``python analysis/selection.py`` reads its runs and writes ``chosen.csv``.
"""

from dataclasses import replace

from baselines.am import AM
from baselines.ddpg import DDPG
from baselines.eql import GCEQL
from baselines.gcsl import GCSL
from baselines.iql import GCIQL
from baselines.sql import GCSQL
from baselines.wgcsl import WGCSL
from baselines.xql import GCXQL
from smore_sweep.smore import SMORe
from smore_sweep.spec import Sweep, grid
from sweeps._budgets import ALL, at_papers_share, scales

SEEDS = {"smoke": 1, "laptop": 2, "paper": 3}
METHODS = [SMORe, WGCSL, GCSL, AM, DDPG, GCIQL, GCSQL, GCEQL, GCXQL]

SWEEP = Sweep(
    name="tuning",
    description="Model selection: the share of hindsight goals, by method and task",
    grids=at_papers_share([method for kind in METHODS for method in grid(kind, her_ratio=[0.2, 0.5, 0.8, 1.0])], ALL),
    scales={name: replace(scale, seeds=SEEDS[name], chosen={}) for name, scale in scales(*ALL).items()},
    first_seed=1_000,
)
