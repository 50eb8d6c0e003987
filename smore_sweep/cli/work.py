"""``smore-sweep work``."""

from __future__ import annotations

from typing import Annotated

import typer

from smore_sweep.cli.options import (
    Exported,
    GpusPerStack,
    MethodNames,
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
    without_exported,
)
from smore_sweep.run_spec import GENERATED
from smore_sweep.storage.paths import DEFAULT_RESULTS


def work(
    sweep: SweepName,
    scale: ScaleName = None,
    seeds: Seeds = None,
    tasks: TaskNames = None,
    methods: MethodNames = None,
    settings: Settings = None,
    updates: Updates = None,
    source: Source = GENERATED,
    results: Results = DEFAULT_RESULTS,
    exported: Exported = None,
    gpus_per_stack: GpusPerStack = None,
    stack_size: StackSize = None,
    processes: Annotated[
        int, typer.Option(metavar="N", help="how many such commands share the folder, to size the stacks")
    ] = 1,
    grace: Annotated[
        int, typer.Option(metavar="SECONDS", help="longest time from SIGUSR1 to the end, at the next evaluation")
    ] = 60,
) -> int:
    """Train stacks beside other processes with the same results folder."""
    from smore_sweep.cli.results_table import print_results
    from smore_sweep.execution.sharing import share_sweep
    from smore_sweep.planning.choices import parse_choices
    from smore_sweep.storage.paths import storage_path

    check_at_least_one("stack size", stack_size)
    check_at_least_one("processes", processes)
    check_at_least_one("grace", grace)
    folder = storage_path(results)
    choices = parse_choices(
        tasks=tasks, methods=methods, seeds=seeds, settings=settings or (), updates=updates, source=source
    )
    return share_sweep(
        sweep,
        scale=scale,
        choices=without_exported(choices, exported),
        results=folder,
        gpus_per_stack=gpus_per_stack,
        stack_size=stack_size,
        processes=processes,
        grace=grace,
        show=lambda out, plan: print_results(out, plan, folder),
    )
