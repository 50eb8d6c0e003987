"""``smore-sweep submit``."""

from __future__ import annotations

from typing import Annotated

import typer

from smore_sweep.cli.options import (
    AnySweepName,
    GpusPerStack,
    KeepLearner,
    MethodNames,
    Notify,
    ScaleName,
    Seeds,
    Settings,
    Source,
    StackSize,
    TaskNames,
    Updates,
    check_at_least_one,
    check_exclusive,
)
from smore_sweep.errors import UserError
from smore_sweep.spec import GENERATED


def submit(
    sweep: AnySweepName = None,
    scale: ScaleName = None,
    seeds: Seeds = None,
    tasks: TaskNames = None,
    methods: MethodNames = None,
    settings: Settings = None,
    updates: Updates = None,
    source: Source = GENERATED,
    results: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="results folder: a full path on the cluster, or s3://bucket/prefix"),
    ] = None,
    jobs_address: Annotated[
        str | None,
        typer.Option(metavar="URL", help="the cluster's job server  [default: one on this machine]"),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="print the job's id and return")] = False,
    follow: Annotated[str | None, typer.Option(metavar="JOB", help="no new job: follow this one to its end")] = None,
    cancel: Annotated[str | None, typer.Option(metavar="JOB", help="no new job: cancel this one")] = None,
    gpus_per_stack: GpusPerStack = None,
    stack_size: StackSize = None,
    notify: Notify = None,
    keep_learner: KeepLearner = False,
) -> int:
    """Run a sweep as a job of a Ray cluster, and follow it to its end."""
    from smore_sweep.discovery import load_sweep
    from smore_sweep.execution import jobs
    from smore_sweep.planning.choices import parse_choices

    check_exclusive(detach=detach, follow=follow, cancel=cancel)
    check_at_least_one("stack size", stack_size)
    address = jobs_address or jobs.JOBS_ADDRESS
    if follow:
        return jobs.follow(follow, address)
    if cancel:
        return jobs.cancel(cancel, address)
    if not sweep or not results:
        raise UserError(
            "name a sweep and a results folder on the cluster: smore-sweep submit quickstart --results /..."
        )
    parse_choices(
        tasks=tasks, methods=methods, seeds=seeds, settings=settings or (), updates=updates, source=source
    ).expand(load_sweep(sweep), scale)  # what is wrong is refused here, not on the cluster
    options = {
        "--scale": scale,
        "--seeds": seeds,
        "--tasks": tasks,
        "--methods": methods,
        "--set": " ".join(settings or ()),
        "--updates": updates,
        "--source": source,
        "--gpus-per-stack": gpus_per_stack,
        "--stack-size": stack_size,
        "--notify": notify,
    }
    words = [word for name, value in options.items() if value not in (None, "") for word in (name, str(value))]
    words += ["--keep-learner"] * keep_learner
    return jobs.submit(sweep, words, results=results, address=address, detach=detach)
