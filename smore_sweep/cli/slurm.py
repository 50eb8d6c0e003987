"""The part of ``smore-sweep submit`` that is for SLURM."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smore_sweep.errors import UserError
from smore_sweep.storage.paths import DEFAULT_RESULTS

if TYPE_CHECKING:
    from smore_sweep.planning.choices import Choices

Slurm = Annotated[bool, typer.Option("--slurm", help="hand the sweep in to SLURM, with the options below")]
Array = Annotated[
    int | None, typer.Option(metavar="N", help="tasks that share the folder and start one by one  [default: 1]")
]
Nodes = Annotated[int | None, typer.Option(metavar="N", help="instead: nodes on which one Ray starts")]
Cpus = Annotated[int | None, typer.Option(metavar="N", help="CPUs of a task, or of a node with --nodes  [default: 4]")]
Gpus = Annotated[str | None, typer.Option(metavar="GPUS", help="GPUs of a task or node: 2 or a100:2  [default: none]")]
Memory = Annotated[str | None, typer.Option(metavar="SIZE", help="memory of a task or node, such as 16G")]
Time = Annotated[str | None, typer.Option(metavar="TIME", help="time limit: 30 (minutes), 04:00:00, 1-12 (days-hours)")]
Partition = Annotated[str | None, typer.Option(metavar="NAME", help="partition, as sinfo shows them")]
Account = Annotated[str | None, typer.Option(metavar="NAME", help="account to charge")]
NoRequeue = Annotated[bool, typer.Option("--no-requeue", help="do not go on in the queue when the time is up")]
Sbatch = Annotated[
    list[str] | None, typer.Option(metavar="OPTION", help="one more option of sbatch: mail-type=END; may be repeated")
]
Image = Annotated[str | None, typer.Option(metavar="FILE", help="an Apptainer image with the libraries")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="print the sbatch file, and hand nothing in")]


def check_without_slurm(**values: object) -> None:
    """Raise :class:`UserError` if an option of SLURM's is given without ``--slurm``."""
    if given := [f"--{name.replace('_', '-')}" for name, value in values.items() if value]:
        raise UserError(f"{given[0]} is an option of SLURM jobs; add --slurm")


def submit_to_slurm(
    sweep: str,
    options: Sequence[str],
    choices: Choices,
    scale: str | None,
    *,
    results: str | None,
    notify: str | None,
    dry_run: bool,
    array: int | None,
    nodes: int | None,
    **resources: Any,
) -> int:
    """Write a sweep's sbatch file and hand it in, or print it.

    Args:
        sweep: A shipped sweep, or a ``.py`` file.
        options: Options of ``smore-sweep run`` and ``work``.
        choices: What is asked of the sweep.
        scale: Its scale; None for the sweep's own.
        results: The results folder; None for the default one.
        notify: A command for the end, for allocations.
        dry_run: Whether to print only.
        array: Tasks of an array.
        nodes: Nodes of an allocation.
        **resources: Other fields of :class:`smore_sweep.execution.slurm.Resources`; None for the default.

    Raises:
        UserError: If anything about the request is wrong.
    """
    from smore_sweep.discovery import load_sweep
    from smore_sweep.execution import slurm
    from smore_sweep.execution.datasets import missing_episodes
    from smore_sweep.execution.sharing import check_code
    from smore_sweep.planning.plan import make_plan
    from smore_sweep.storage.paths import absolute, storage_path

    if notify and nodes is None:
        raise UserError("--notify is not for arrays, which have no common end; give --sbatch mail-type=END instead")
    asked = slurm.Resources(
        array=0 if nodes else array or 1, nodes=nodes or 1, **{key: given for key, given in resources.items() if given}
    )
    asked.check()
    folder = absolute(storage_path(results or DEFAULT_RESULTS))
    if asked.array and not isinstance(folder, Path):
        raise UserError(f"tasks of an array share a folder of a file system, not {folder}; give one, or --nodes")
    planned = make_plan(load_sweep(sweep), scale, folder, choices)
    check_code(planned)
    episodes = missing_episodes(planned)  # before a job is: some cannot be made
    name = str(Path(sweep).resolve()) if sweep.endswith(".py") else sweep
    words = [*options, *(["--notify", notify] if notify else [])]
    where = folder if isinstance(folder, Path) else str(folder)
    text = slurm.script(name, words, where, asked)
    if episodes:  # while the job's other tasks wait
        names = ", ".join(dict.fromkeys(task for task, _ in episodes))
        count, file = sum(episodes.values()), sys.stderr if dry_run else sys.stdout
        print(f"the job makes {count:,} episodes first ({names}); smore-sweep data make makes them ahead", file=file)
    if dry_run:
        print(text, end="")
        return 0
    if not planned.pending:
        print(f"nothing to do: all {len(planned.runs)} runs are done")
        return 0
    path = slurm.log_folder(where) / f"{planned.sweep.name}.sbatch"
    job = slurm.submit(text, path)
    what = f"{asked.array} task{'s' * (asked.array > 1)}" if asked.array else f"{asked.nodes} nodes"
    print(f"job {job}: {len(planned.pending)} runs on {what}, by {path}")
    log = path.with_name(f"{Path(sweep).stem}-{job}{'_*' * bool(asked.array)}.log")
    for command, purpose in {
        f"smore-sweep status {sweep} --results {folder}": "what is done, and what trains now",
        f"squeue --job {job}": "what waits and runs",
        f"tail -f {log}": "what the tasks say",
        f"scancel {job}": "end it; the same command goes on later",
    }.items():
        print(f"  {command}    {purpose}")
    return 0
