"""FetchPush: fewer and more episodes, and with ``--source slow`` an expert at half speed.

docs/results/fetchpush.md has the log of predictions and outcomes, and describes how to generate that source.
"""

from dataclasses import replace

from smore_sweep import Grid, Sweep
from sweeps.fetchpush import CLIMBING, QUICK, STUDY, scales

EPISODES = {"few": 2_500, "laptop": STUDY.episodes, "many": 20_000, "most": 40_000}

SWEEP = Sweep(
    name="fetchpush_data",
    description="FetchPush: weights, gradient and plain cloning by number of episodes",
    grids=[Grid(methods=[QUICK, CLIMBING, replace(QUICK, temperature=0.0)], tasks=["FetchPush"], expert_share=[0.1])],
    scales=scales(**{name: replace(STUDY, episodes=episodes) for name, episodes in EPISODES.items()}),
)
