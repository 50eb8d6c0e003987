"""``smore-sweep run``."""

from __future__ import annotations

from typing import Annotated

import typer

from smore_sweep.cli.options import (
    GpusPerStack,
    KeepLearner,
    MethodNames,
    Notify,
    Results,
    ScaleName,
    Seeds,
    Settings,
    Source,
    StackSize,
    SweepName,
    TaskNames,
    Updates,
    check_at_least_one,
    check_exclusive,
)
from smore_sweep.spec import GENERATED
from smore_sweep.storage.paths import DEFAULT_RESULTS


def run(
    sweep: SweepName,
    scale: ScaleName = None,
    seeds: Seeds = None,
    tasks: TaskNames = None,
    methods: MethodNames = None,
    settings: Settings = None,
    updates: Updates = None,
    source: Source = GENERATED,
    results: Results = DEFAULT_RESULTS,
    address: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="a Ray cluster: auto or host:port  [default: start a local one]"),
    ] = None,
    gpus_per_stack: GpusPerStack = None,
    stack_size: StackSize = None,
    notify: Notify = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="train runs again whose method or task has changed since")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="accept the runs whose method or task has changed since")
    ] = False,
    keep_learner: KeepLearner = False,
) -> int:
    """Run what a sweep still lacks, on a local Ray or on a cluster."""
    from smore_sweep.cli.results_table import print_results
    from smore_sweep.execution import runner
    from smore_sweep.planning.choices import parse_choices
    from smore_sweep.storage.paths import storage_path

    check_at_least_one("stack size", stack_size)
    check_exclusive(retrain=retrain, keep=keep)
    folder = storage_path(results)
    return runner.run(
        sweep,
        scale=scale,
        choices=parse_choices(
            tasks=tasks, methods=methods, seeds=seeds, settings=settings or (), updates=updates, source=source
        ),
        results=folder,
        address=address,
        gpus_per_stack=gpus_per_stack,
        stack_size=stack_size,
        notification=notify,
        retrain=retrain,
        keep=keep,
        keep_learner=keep_learner,
        show=lambda out, plan: print_results(out, plan, folder),
    )
