"""The benchmarks: which tasks are each one's, and its metric."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from analysis.frames.metrics import DEFAULT_METRIC, METRICS, headline_metric
from smore_sweep.tasks import ogbench
from smore_sweep.tasks import task as task_row

BENCHMARKS = {"smore": "SMORe paper", "ogbench": "OGBench paper"}
"""Where each benchmark's numbers and claims are from, by name."""


def benchmark(tasks: Iterable[str]) -> str:
    """Return the benchmark that a sweep of these tasks belongs to: OGBench if all are its, else the SMORe paper's."""
    return "ogbench" if set(tasks) <= set(ogbench()) else "smore"


def usual_metrics(tasks: Iterable[str]) -> dict[str, list[str]]:
    """Return the metrics of tables that ask for no other, each with its tasks; no table mixes them.

    That is a task's headline metric, but tasks that declare none and have a return share one, at one discount.
    """
    found: dict[str, list[str]] = {}
    for task in dict.fromkeys(tasks):
        headline = headline_metric(task)
        shared = not task_row(task).headline and METRICS[headline].discount is not None
        found.setdefault(DEFAULT_METRIC if shared else headline, []).append(task)
    return found


def by_usual_metric(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each of :func:`usual_metrics` with the rows of its tasks."""
    for metric, tasks in usual_metrics(frame["task"]).items():
        yield metric, frame[frame["task"].isin(tasks)]


def usual_metric(tasks: Iterable[str]) -> str:
    """Return the metric of what compares all of these tasks by one."""
    found = usual_metrics(tasks)
    return next(iter(found)) if len(found) == 1 else DEFAULT_METRIC
