"""The benchmarks: which tasks are each one's, and its metric."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.frames.metrics import DEFAULT_METRIC, headline_metric
from smore_sweep.tasks import ogbench

BENCHMARKS = {"smore": "SMORe paper", "ogbench": "OGBench paper"}
"""Where each benchmark's numbers and claims are from, by name."""


def benchmark(tasks: Iterable[str]) -> str:
    """Return the benchmark that a sweep of these tasks belongs to: OGBench if all are its, else the SMORe paper's."""
    return "ogbench" if set(tasks) <= set(ogbench()) else "smore"


def usual_metric(tasks: Iterable[str]) -> str:
    """Return the metric of a table that asks for no other."""
    return "ever" if {headline_metric(task) for task in tasks} == {"ever"} else DEFAULT_METRIC
