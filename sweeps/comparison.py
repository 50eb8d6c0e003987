"""Twelve methods on four tasks, from easy to hard, at laptop scale."""

from dataclasses import replace

from smore_sweep import Grid, Sweep
from sweeps._budgets import EXPERT_SHARE, scales
from sweeps._methods import TWELVE

TASKS = ["FetchReach", "SawyerReach", "Reacher", "FetchPush"]

SWEEP = Sweep(
    name="comparison",
    description="Twelve methods on four tasks",
    grids=[Grid(methods=TWELVE, tasks=TASKS, expert_share=[EXPERT_SHARE])],
    scales={name: replace(scale, tasks=TASKS) for name, scale in scales(*TASKS).items() if name != "paper"},
)
