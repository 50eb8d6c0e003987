"""The table that a sweep ends with."""

from __future__ import annotations

from rich.console import Console

from smore_sweep.planning.plan import Plan
from smore_sweep.storage.paths import StoragePath


def print_results(out: Console, plan: Plan, results: StoragePath) -> None:
    """Print the mean return of every cell of a plan, beside the published one."""
    from analysis import tables
    from analysis.frames.runs import load

    out.print(tables.terminal(load(plan.runs, results), "return99", plan.sweep.description))
