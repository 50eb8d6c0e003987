"""``smore-sweep submit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from smore_sweep.cli.options import (
    AnySweepName,
    GpusPerStack,
    Notify,
    ScaleName,
    Seeds,
    Source,
    StackSize,
    TaskNames,
    check_at_least_one,
    check_exclusive,
    split_names,
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
from smore_sweep.spec import GENERATED


def submit(
    sweep: AnySweepName = None,
    scale: ScaleName = None,
    seeds: Seeds = None,
    tasks: TaskNames = None,
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
) -> int:
    """Run a sweep as a job of a Ray cluster, or of SLURM."""
    from smore_sweep.execution import jobs

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
    if slurm:
        if not sweep:
            raise UserError("name a sweep: smore-sweep submit quickstart --slurm")
        for name, number in {"array": array, "nodes": nodes, "CPUs per task": cpus_per_task}.items():
            check_at_least_one(name, number)
        return submit_to_slurm(
            sweep,
            _words(scale, seeds, tasks, source if source != GENERATED else "", gpus_per_stack, stack_size, None),
            {"scale": scale, "seeds": seeds, "tasks": split_names(tasks), "source": source},
            results=results, notify=notify, dry_run=dry_run, array=array, nodes=nodes, cpus=cpus_per_task,
            gpus=gpus_per_task, memory=memory, time=time, partition=partition, account=account,
            requeue=not no_requeue, extra=sbatch, image=Path(image) if image else None,
        )  # fmt: skip
    if not sweep or not results:
        raise UserError(
            "name a sweep and a results folder on the cluster: smore-sweep submit quickstart --results /..."
        )
    words = _words(scale, seeds, tasks, source, gpus_per_stack, stack_size, notify)
    return jobs.submit(sweep, words, results=results, address=address, detach=detach)


def _words(
    scale: str | None,
    seeds: int | None,
    tasks: str | None,
    source: str,
    gpus_per_stack: float | None,
    stack_size: int | None,
    notify: str | None,
) -> list[str]:
    """Return the options of ``smore-sweep run`` on its command line."""
    options = {
        "--scale": scale,
        "--seeds": seeds,
        "--tasks": ",".join(split_names(tasks) or ()),
        "--source": source,
        "--gpus-per-stack": gpus_per_stack,
        "--stack-size": stack_size,
        "--notify": notify,
    }
    return [word for name, value in options.items() if value not in (None, "") for word in (name, str(value))]
