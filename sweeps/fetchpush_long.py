"""How far what works on FetchPush (sweeps/fetchpush.py) gets in four times as many updates, and its control."""

from dataclasses import replace

from smore_sweep.spec import Grid, Scale, Sweep
from sweeps._budgets import NARROW, SMOKE
from sweeps.fetchpush import QUICK, STUDY

SWEEP = Sweep(
    name="fetchpush_long",
    description="FetchPush: the study's first row and its control, 40,000 updates",
    grids=[Grid(methods=[QUICK, replace(QUICK, temperature=0.0)], tasks=["FetchPush"], expert_share=[0.1])],
    scales={
        "smoke": Scale(tasks=["FetchPush"], seeds=2, budget=SMOKE, knobs=NARROW),
        "laptop": Scale(
            tasks=["FetchPush"],
            seeds=3,
            budget=replace(STUDY, updates=40_000, evaluate_every=5_000),
            knobs=NARROW,
        ),
    },
)
