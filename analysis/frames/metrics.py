"""Metrics of an evaluation: title, order and digits of each outcome, and the headline metric of a task."""

from __future__ import annotations

import math
from dataclasses import dataclass

from smore_sweep.task import ENVIRONMENT
from smore_sweep.task import METRICS as NAMES
from smore_sweep.tasks import task as task_row

DEFAULT_METRIC = "return99"
"""The metric of tables, figures and pages that ask for no other."""

LONG_HORIZON = 100
"""Tasks with more steps per episode (locomotion) have a headline return at discount 0.999, as in the paper."""


@dataclass(frozen=True)
class Metric:
    """Title, order and printed digits of an outcome. ``averaged``: its mean over tasks is meaningful."""

    title: str
    higher_is_better: bool
    digits: int
    averaged: bool
    discount: float | None = None

    def better(self, first: float, second: float) -> bool:
        """Whether the first value is strictly better."""
        return first > second if self.higher_is_better else first < second

    @property
    def worst(self) -> float:
        """The value of a diverged seed in a test of ranks."""
        return -math.inf if self.higher_is_better else math.inf


_METRICS = {
    "return99": Metric("Discounted return (0.99)", True, 2, True, 0.99),
    "return98": Metric("Discounted return (0.98)", True, 2, True, 0.98),
    "return999": Metric("Discounted return (0.999)", True, 2, True, 0.999),
    "success": Metric("Success rate after the last step", True, 2, True),
    "final_distance": Metric("Final distance to the goal", False, 3, False),  # each task has its own units
    "ever": Metric("Success rate at any step", True, 2, True),
}
METRICS = {name: _METRICS[name] for name in NAMES}
"""By the names, and in the order, of :class:`smore_sweep.results.outcomes.Outcomes`."""


def is_long(task: str) -> bool:
    """Whether the task's episodes are long: a return at 0.99 would ignore most of their steps."""
    return task_row(task).horizon > LONG_HORIZON


def headline_metric(task: str) -> str:
    """The metric by which methods are compared on a task: its own; else success after the last step where distances
    between goals say little, or the environment decides; else a return."""
    row = task_row(task)
    if row.headline:
        return row.headline
    if row.sizes.image or row.success == ENVIRONMENT:
        return "success"
    return "return999" if is_long(task) else "return99"
