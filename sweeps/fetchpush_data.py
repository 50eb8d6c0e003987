"""FetchPush: fewer and more episodes, and with ``--source slow`` an expert at half speed.

docs/fetchpush.md keeps the log of predictions and outcomes, and says how to make that source."""

from dataclasses import replace

from smore_sweep.spec import Grid, Scale, Sweep
from sweeps._budgets import NARROW, SMOKE
from sweeps.fetchpush import CLIMBING, QUICK, STUDY

EPISODES = {"few": 2_500, "laptop": STUDY.episodes, "many": 20_000, "most": 40_000}

SWEEP = Sweep(
    name="fetchpush_data",
    description="FetchPush: weights, gradient and plain cloning by number of episodes",
    grids=[Grid(methods=[QUICK, CLIMBING, replace(QUICK, temperature=0.0)], tasks=["FetchPush"], expert_share=[0.1])],
    scales={
        "smoke": Scale(tasks=["FetchPush"], seeds=2, budget=SMOKE, knobs=NARROW),
        **{
            name: Scale(tasks=["FetchPush"], seeds=3, budget=replace(STUDY, episodes=episodes), knobs=NARROW)
            for name, episodes in EPISODES.items()
        },
    },
)
