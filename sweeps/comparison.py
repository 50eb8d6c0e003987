"""All methods on three tasks - an easy, a middling and a hard one - at laptop scale: beside Table 1's seven the
in-sample methods, GoFAR with an expectile loss, and the plain actor-critic."""

from dataclasses import replace

from baselines.ddpg import DDPG
from baselines.eql import GCEQL
from baselines.gofar_expectile import GoFARExpectile
from baselines.sql import GCSQL
from baselines.xql import GCXQL
from smore_sweep.spec import Grid, Sweep
from sweeps._budgets import EXPERT_SHARE, scales
from sweeps._methods import SEVEN

TASKS = ["FetchReach", "Reacher", "FetchPush"]
METHODS = [*SEVEN, GCSQL(), GCEQL(), GCXQL(), DDPG(), GoFARExpectile()]

SWEEP = Sweep(
    name="comparison",
    description="All methods on FetchReach, Reacher and FetchPush",
    grids=[Grid(methods=METHODS, tasks=TASKS, expert_share=[EXPERT_SHARE])],
    scales={name: replace(scale, tasks=TASKS) for name, scale in scales(*TASKS).items() if name != "paper"},
)
