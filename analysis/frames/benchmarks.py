"""The benchmarks: which tasks are each one's, and its metric."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.frames.metrics import DEFAULT_METRIC, headline_metric
from smore_sweep.tasks import ogbench

SUCCESSES = ("ever", "success")
BENCHMARKS = {"smore": "SMORe paper", "ogbench": "OGBench paper"}
"""Where each benchmark's numbers and claims are from, by name."""


def benchmark(tasks: Iterable[str]) -> str:
    """Return the benchmark that a sweep of these tasks belongs to: OGBench if all are its, else the SMORe paper's."""
    return "ogbench" if set(tasks) <= set(ogbench()) else "smore"


def usual_metrics(tasks: Iterable[str]) -> dict[str, list[str]]:
    """Return the metrics of tables that ask for no other, each with its tasks: returns at one discount, and successes.

    No table mixes them.
    """
    found: dict[str, list[str]] = {}
    for task in dict.fromkeys(tasks):
        headline = headline_metric(task)
        found.setdefault(headline if headline in SUCCESSES else DEFAULT_METRIC, []).append(task)
    return found


def usual_metric(tasks: Iterable[str]) -> str:
    """Return the metric of what compares all of these tasks by one."""
    found = usual_metrics(tasks)
    return next(iter(found)) if len(found) == 1 else DEFAULT_METRIC
