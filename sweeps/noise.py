"""Figure 2 of the paper: FetchReach with noise on the actions, in the data and in evaluation."""

from smore_sweep import Grid, Sweep
from sweeps._budgets import EXPERT_SHARE, scales
from sweeps._methods import SEVEN

TASKS = ["FetchReach", "FetchReachNoise0.5", "FetchReachNoise1.0", "FetchReachNoise1.5"]

SWEEP = Sweep(
    name="noise",
    description="Figure 2: FetchReach with noise on the actions",
    grids=[Grid(methods=SEVEN, tasks=TASKS, expert_share=[EXPERT_SHARE])],
    scales=scales(*TASKS),
)
