"""``smore-sweep run``."""

from __future__ import annotations

from typing import Annotated

import typer

from smore_sweep.cli.options import (
    GpusPerStack,
    Mirrors,
    Notify,
    Results,
    ScaleName,
    Seeds,
    Source,
    StackSize,
    SweepName,
    TaskNames,
    check_at_least_one,
    check_exclusive,
    split_names,
)
from smore_sweep.spec import GENERATED
from smore_sweep.storage.paths import DEFAULT_RESULTS


def run(
    sweep: SweepName,
    scale: ScaleName = None,
    seeds: Seeds = None,
    tasks: TaskNames = None,
    source: Source = GENERATED,
    results: Results = DEFAULT_RESULTS,
    address: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="a Ray cluster: auto or host:port  [default: start a local one]"),
    ] = None,
    gpus_per_stack: GpusPerStack = None,
    stack_size: StackSize = None,
    notify: Notify = None,
    mirror: Mirrors = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="train runs again whose method or task has changed since")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="accept the runs whose method or task has changed since")
    ] = False,
) -> int:
    """Run what a sweep still lacks, on a local Ray or on a cluster."""
    from smore_sweep.cli.results_table import print_results
    from smore_sweep.execution import runner
    from smore_sweep.storage.paths import storage_path

    check_at_least_one("stack size", stack_size)
    check_exclusive(retrain=retrain, keep=keep)
    folder = storage_path(results)
    return runner.run(
        sweep,
        scale=scale,
        seeds=seeds,
        tasks=split_names(tasks),
        source=source,
        results=folder,
        address=address,
        gpus_per_stack=gpus_per_stack,
        stack_size=stack_size,
        notification=notify,
        mirrors=mirror or (),
        retrain=retrain,
        keep=keep,
        show=lambda out, plan: print_results(out, plan, folder),
    )
