"""Estimate how long a plan takes on this machine's CPU cores."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from smore_sweep.planning.plan import Plan
from smore_sweep.planning.stacks import Stack
from smore_sweep.tasks import task

PRODUCT_SHARE = 0.4
"""Share of the matrix-product rate that training typically reaches."""


@dataclass(frozen=True)
class Estimate:
    """Seconds for data, training and evaluation."""

    data: float
    training: float
    evaluation: float

    @property
    def total(self) -> float:
        """Their sum."""
        return self.data + self.training + self.evaluation


def estimate(plan: Plan, missing_episodes: Mapping[tuple[str, str], int], cores: int) -> Estimate:
    """Estimate the time of pending runs from the networks' sizes and a short matrix-product calibration.

    Args:
        plan: The runs, with the updates behind the partial ones.
        missing_episodes: Episodes to roll out first, by (task, policy).
        cores: CPU cores that work in parallel.
    """
    data = 0.0
    for (name, _), count in missing_episodes.items():
        row = task(name)
        data += count * (row.data_steps or row.horizon) * row.step_milliseconds
    flops = sum(Stack((run,), behind).work for run, behind in plan.pending_trainings)
    evaluation = 0.0
    for run, behind in plan.pending:
        row, budget = task(run.task), run.budget
        evaluation += budget.rolled_out(behind) * row.horizon * row.step_milliseconds
    rate = cores * _product_rate() * PRODUCT_SHARE if flops else 1.0
    return Estimate(data / 1e3 / cores, flops / rate, evaluation / 1e3 / cores)


@cache
def _product_rate() -> float:
    """Measure single-precision operations per second of one core.

    The best of many short windows counts: a busy moment says nothing about the hours to come. Products this small have
    one thread; those of several would wait for each other where the cores are busy.
    """
    import numpy as np

    left, right = np.ones((16, 64, 64), np.float32), np.ones((64, 64), np.float32)
    result = np.empty_like(left)
    operations = 2 * left.size * right.shape[1]
    seconds = []
    for _ in range(200):
        started = time.perf_counter()
        np.matmul(left, right, out=result)
        seconds.append(time.perf_counter() - started)
    return operations / min(seconds)
