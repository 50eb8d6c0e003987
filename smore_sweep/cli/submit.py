"""``smore-sweep submit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from smore_sweep.cli.slurm import (
    Account,
    Array,
    Cpus,
    DryRun,
    Gpus,
    Image,
    Memory,
    Nodes,
    NoRequeue,
    Partition,
    Sbatch,
    Slurm,
    Time,
    check_without_slurm,
    submit_to_slurm,
)
from smore_sweep.errors import UserError
from smore_sweep.run_spec import GENERATED

if TYPE_CHECKING:
    from smore_sweep.planning.choices import Choices


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
    slurm: Slurm = False,
    array: Array = None,
    nodes: Nodes = None,
    cpus_per_task: Cpus = None,
    gpus_per_task: Gpus = None,
    memory: Memory = None,
    time: Time = None,
    partition: Partition = None,
    account: Account = None,
    no_requeue: NoRequeue = False,
    sbatch: Sbatch = None,
    image: Image = None,
    dry_run: DryRun = False,
    keep_learner: KeepLearner = False,
) -> int:
    """Run a sweep as a job of a Ray cluster, or of SLURM."""
    from smore_sweep.discovery import load_sweep
    from smore_sweep.execution import jobs
    from smore_sweep.planning.choices import parse_choices

    check_exclusive(detach=detach, follow=follow, cancel=cancel, slurm=slurm)
    check_exclusive(**{"slurm": slurm, "jobs-address": jobs_address})
    check_exclusive(array=array, nodes=nodes)
    check_at_least_one("stack size", stack_size)
    if not slurm:
        check_without_slurm(
            array=array, nodes=nodes, cpus_per_task=cpus_per_task, gpus_per_task=gpus_per_task, memory=memory,
            time=time, partition=partition, account=account, no_requeue=no_requeue, sbatch=sbatch, image=image,
            dry_run=dry_run,
        )  # fmt: skip
    address = jobs_address or jobs.JOBS_ADDRESS
    if follow:
        return jobs.follow(follow, address)
    if cancel:
        return jobs.cancel(cancel, address)
    choices = parse_choices(
        tasks=tasks, methods=methods, seeds=seeds, settings=settings or (), updates=updates, source=source
    )
    words = _words(choices, scale, gpus_per_stack, stack_size, keep_learner)
    if slurm:
        if not sweep:
            raise UserError("name a sweep: smore-sweep submit quickstart --slurm")
        if keep_learner and nodes is None:
            raise UserError("--keep-learner is not for the tasks of an array; give --nodes")
        for name, number in {"array": array, "nodes": nodes, "CPUs per task": cpus_per_task}.items():
            check_at_least_one(name, number)
        return submit_to_slurm(
            sweep,
            words, choices, scale,
            results=results, notify=notify, dry_run=dry_run, array=array, nodes=nodes, cpus=cpus_per_task,
            gpus=gpus_per_task, memory=memory, time=time, partition=partition, account=account,
            requeue=not no_requeue, extra=sbatch, image=Path(image) if image else None,
        )  # fmt: skip
    if not sweep or not results:
        raise UserError(
            "name a sweep and a results folder on the cluster: smore-sweep submit quickstart --results /..."
        )
    choices.expand(load_sweep(sweep), scale)  # what is wrong is refused here, not on the cluster
    words += ["--notify", notify] if notify else []
    return jobs.submit(sweep, words, results=results, address=address, detach=detach)


def _words(
    choices: Choices, scale: str | None, gpus_per_stack: float | None, stack_size: int | None, keep_learner: bool
) -> list[str]:
    """Return the options of ``smore-sweep run`` on its command line."""
    options = {
        "--scale": scale,
        **{f"--{name}": text for name, text in choices.options().items()},
        "--gpus-per-stack": gpus_per_stack,
        "--stack-size": stack_size,
    }
    words = [word for name, value in options.items() if value is not None for word in (name, str(value))]
    return words + ["--keep-learner"] * keep_learner
