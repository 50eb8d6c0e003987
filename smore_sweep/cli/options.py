"""Arguments and options that commands share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smore_sweep.cli import complete
from smore_sweep.errors import UserError
from smore_sweep.run_spec import check_source

if TYPE_CHECKING:
    from smore_sweep.planning.choices import Choices


def _source(context: typer.Context, value: str) -> str:
    if not context.resilient_parsing:
        check_source(value)
    return value


SWEEP_HELP = "a file of sweeps/, without .py, or a path to a .py file"

SweepName = Annotated[str, typer.Argument(metavar="SWEEP", help=SWEEP_HELP, autocompletion=complete.sweeps)]
AnySweepName = Annotated[str | None, typer.Argument(metavar="SWEEP", help=SWEEP_HELP, autocompletion=complete.sweeps)]
TaskName = Annotated[
    str, typer.Argument(metavar="TASK", help="a task, such as FetchReach", autocompletion=complete.tasks)
]
ScaleName = Annotated[
    str | None,
    typer.Option(
        "--scale", metavar="SCALE",
        help="one of the sweep's, such as smoke, laptop, workstation or paper  [default: the sweep's own]",
        autocompletion=complete.scales,
    ),
]  # fmt: skip
Seeds = Annotated[
    str | None,
    typer.Option(
        "--seeds", metavar="SEEDS", help="number of seeds, or a list such as 0,3,5-9  [default: the scale's number]"
    ),
]
TaskNames = Annotated[
    list[str] | None,
    typer.Option(
        "--tasks", metavar="A,B", help="only these tasks, separated by commas", autocompletion=complete.task_list
    ),
]
MethodNames = Annotated[
    list[str] | None,
    typer.Option(
        "--methods", metavar="A,B", help="only these methods, separated by commas", autocompletion=complete.method_list
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KNOB=VALUES",
        help="a knob's values, such as temperature=1,3 or, of one method, smore.beta=0.5; may be given several times",
    ),
]  # fmt: skip
Updates = Annotated[
    int | None, typer.Option("--updates", metavar="N", help="updates of every run  [default: the scale's]")
]
Source = Annotated[
    str, typer.Option("--source", metavar="SOURCE", help="where the episodes are from", callback=_source)
]
Results = Annotated[str, typer.Option("--results", metavar="DIR", help="results folder: a path or s3://bucket/prefix")]
Exported = Annotated[
    str | None,
    typer.Option("--exported", metavar="DIR", help="leave out the runs that an export has (smore-sweep export)"),
]
GpusPerStack = Annotated[
    float | None,
    typer.Option("--gpus-per-stack", metavar="GPUS", help="[default: 1 if the cluster has GPUs, else 0]"),
]
StackSize = Annotated[
    int | None,
    typer.Option("--stack-size", metavar="N", help="most runs of a stack  [default: by the device]"),
]
KeepLearner = Annotated[
    bool, typer.Option("--keep-learner", help="keep what a longer run (--updates) needs to go on from a done one")
]
Notify = Annotated[
    str | None, typer.Option("--notify", metavar="COMMAND", help="a shell command to run when the sweep has ended")
]
Mirrors = Annotated[
    list[str] | None,
    typer.Option("--mirror", metavar="NAME", help="show the runs there, too: tensorboard or wandb; may be repeated"),
]


def _known_too(context: typer.Context, value: Path | None) -> Path | None:
    if value is not None and not context.resilient_parsing:
        from smore_sweep.discovery import load_file

        load_file(value)
    return value


File = Annotated[
    Path | None,
    typer.Option(
        "--file", metavar="FILE", help="a .py file, such as a sweep, whose methods and tasks are known too",
        callback=_known_too, is_eager=True,
    ),
]  # fmt: skip
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]


def without_exported(choices: Choices, folder: str | None) -> Choices:
    """Return choices that leave out the runs of an export.

    Raises:
        UserError: If there is no export in the folder, or it is damaged.
    """
    if folder is None:
        return choices
    from analysis.frames import archive
    from smore_sweep.storage.paths import storage_path

    path = storage_path(folder)
    if not archive.is_archive(path):
        raise UserError(f"{folder} is no export; smore-sweep export --to {folder} makes one")
    return replace(choices, elsewhere=frozenset(archive.table(path, archive.RUNS)["run_id"]))


def check_at_least_one(name: str, value: int | None) -> None:
    """Raise :class:`UserError` unless a number, if it is given, is at least 1."""
    if value is not None and value < 1:
        raise UserError(f"{name} = {value} is not valid; it must be a whole number of at least 1")


def check_exclusive(**values: object) -> None:
    """Raise :class:`UserError` if more than one of these options is given."""
    given = [f"--{name}" for name, value in values.items() if value not in (None, False)]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)} exclude each other; give one of them")
