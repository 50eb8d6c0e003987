"""FetchPush: weights, the gradient and plain cloning with four times the updates of sweeps/fetchpush.py."""

from dataclasses import replace

from smore_sweep import Grid, Sweep
from sweeps.fetchpush import CLIMBING, QUICK, STUDY, scales

LONG = replace(STUDY, updates=40_000, evaluate_every=5_000)

SWEEP = Sweep(
    name="fetchpush_long",
    description="FetchPush: weights, gradient and plain cloning, 40,000 updates",
    grids=[Grid(methods=[QUICK, CLIMBING, replace(QUICK, temperature=0.0)], tasks=["FetchPush"], expert_share=[0.1])],
    scales=scales(laptop=LONG),
)
