"""``smore-sweep run``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from smore_sweep.cli.options import (
    Exported,
    GpusPerStack,
    KeepLearner,
    MethodNames,
    Mirrors,
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
    without_exported,
)
from smore_sweep.errors import UserError
from smore_sweep.run_spec import GENERATED
from smore_sweep.storage.paths import DEFAULT_RESULTS

if TYPE_CHECKING:
    from rich.console import Console

    from smore_sweep.planning.plan import Plan


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
    exported: Exported = None,
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
    keep_learner: KeepLearner = False,
    seeds_for: Annotated[
        str | None,
        typer.Option(metavar="CLAIM", help="the further seeds that decide a claim (smore-sweep claims --json: ids)"),
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(
            metavar="ALGORITHM",
            help="search the grid for the best configurations: asha stops those that fall behind, random tries some",
        ),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(metavar="METRIC", help="with --search: what it compares  [default: that of tables]")
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(metavar="N", help="with --search: the number of configurations to try  [default for asha: all]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="with --search: print the ranking as JSON")] = False,
) -> int:
    """Run what a sweep still lacks, on a local Ray or on a cluster."""
    from smore_sweep.cli.ranking import print_ranking
    from smore_sweep.cli.results_table import print_results
    from smore_sweep.console import make_console
    from smore_sweep.discovery import load_sweep
    from smore_sweep.execution import runner
    from smore_sweep.planning.choices import parse_choices
    from smore_sweep.planning.search import Search
    from smore_sweep.storage.paths import storage_path

    check_at_least_one("stack size", stack_size)
    check_exclusive(retrain=retrain, keep=keep)
    check_exclusive(**{"search": search, "stack-size": stack_size})  # a search has a stack per configuration
    check_exclusive(search=search, exported=exported)  # it compares means over all of its runs
    if search is None and (metric is not None or budget is not None or as_json):
        raise UserError("--metric, --budget and --json belong to a search; give --search asha or --search random too")
    folder = storage_path(results)
    choices = parse_choices(
        tasks=tasks, methods=methods, seeds=seeds, settings=settings or (), updates=updates, source=source
    )
    if seeds_for is not None:
        from analysis.verdicts.further_seeds import further_seeds

        check_exclusive(
            **{
                "seeds-for": seeds_for, "seeds": seeds, "tasks": tasks, "methods": methods, "set": settings,
                "updates": updates, "search": search,
            }
        )  # fmt: skip
        further = further_seeds(seeds_for, sweep, scale, folder, source)
        if further is None:
            make_console().print(f"claim {seeds_for} needs no further seeds: smore-sweep claims says why")
            return 0
        choices = further
    choices = without_exported(choices, exported)
    searching = None
    if search is not None:
        from analysis.frames.benchmarks import usual_metric

        searching = Search(search, metric or usual_metric(load_sweep(sweep).tasks), budget)

    def show(out: Console, plan: Plan) -> None:
        if searching:
            print_ranking(out, searching, plan, choices.expand(load_sweep(sweep), scale), folder, as_json=as_json)
        else:
            print_results(out, plan, folder)

    return runner.run(
        sweep,
        scale=scale,
        choices=choices,
        results=folder,
        address=address,
        gpus_per_stack=gpus_per_stack,
        stack_size=stack_size,
        notification=notify,
        mirrors=mirror or (),
        retrain=retrain,
        keep=keep,
        keep_learner=keep_learner,
        search=searching,
        out=make_console(stderr=as_json),
        show=show,
    )
