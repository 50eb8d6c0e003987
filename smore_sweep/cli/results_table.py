"""The table that a sweep ends with."""

from __future__ import annotations

from rich.console import Console

from smore_sweep.planning.plan import Plan
from smore_sweep.storage.paths import StoragePath


def print_results(out: Console, plan: Plan, results: StoragePath) -> None:
    """Print the mean of every cell of a plan, beside the published one: a table for each usual metric."""
    from analysis.frames.benchmarks import by_usual_metric
    from analysis.frames.runs import load
    from analysis.frames.series import series_names
    from analysis.rendering import terminal
    from analysis.rendering.layout import layout

    frame = load(plan.runs, results)
    names = series_names(run.named for run in plan.runs)
    for metric, own in by_usual_metric(frame):
        out.print(terminal.table(layout(own, metric, plan.sweep.description, names=names)))
