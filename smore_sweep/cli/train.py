"""``smore-sweep train``."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from smore_sweep.cli import complete
from smore_sweep.cli.options import File, Mirrors, Results, Source
from smore_sweep.errors import UserError
from smore_sweep.run_spec import GENERATED, RunSpec
from smore_sweep.storage.paths import DEFAULT_RESULTS


def train(
    method: Annotated[
        str,
        typer.Option(metavar="METHOD", help="a method, such as smore or gc_iql", autocompletion=complete.methods),
    ],
    task: Annotated[
        str, typer.Option(metavar="TASK", help="a task, such as FetchReach", autocompletion=complete.tasks)
    ],
    seed: Annotated[int, typer.Option(metavar="SEED", help="seed of the run")] = 0,
    expert_share: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="share of expert episodes  [default: 0.1, or 1 where the data are one dataset]"
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KNOB=VALUE", help="such as expectile=0.9; may be given several times"),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            metavar="SCALE",
            help="scale of the budget  [default: that of the task's sweep]",
            autocompletion=complete.scales,
        ),
    ] = None,
    updates: Annotated[int | None, typer.Option(metavar="N", help="[default: the scale's]")] = None,
    episodes: Annotated[int | None, typer.Option(metavar="N", help="[default: the scale's]")] = None,
    batch_size: Annotated[int | None, typer.Option(metavar="N", help="[default: the scale's]")] = None,
    source: Source = GENERATED,
    results: Results = DEFAULT_RESULTS,
    mirror: Mirrors = None,
    file: File = None,
) -> int:
    """Train one run in this process, without Ray."""
    from smore_sweep.discovery import configure, find_method, find_scale
    from smore_sweep.execution.local import train_one
    from smore_sweep.planning.choices import parse_settings
    from smore_sweep.storage.paths import storage_path
    from smore_sweep.tasks import task as task_row

    kind = find_method(method)
    if expert_share is None:
        expert_share = 1.0 if task_row(task).dataset else 0.1
    knobs: dict[str, str] = {}
    for setting in parse_settings(settings or ()):
        if setting.method and find_method(setting.method) is not kind:
            raise UserError(f"--set {setting.name} is not a knob of {kind.name}; give KNOB=VALUE")
        if len(setting.values) > 1 or setting.knob in knobs:
            raise UserError(f"--set gives {setting.name} more than one value; a single run has one")
        knobs[setting.knob] = setting.values[0]
    changes = {"updates": updates, "episodes": episodes, "batch_size": batch_size}
    if not kind.learns_online:
        changes |= {"online_episodes": 0, "updates_per_episode": 0}
    (chosen, size), declared = find_scale(task, scale, kind), configure(kind, knobs)
    run = RunSpec(
        method=size.configure(declared, task, varied=knobs),
        declared=declared,
        task=task,
        expert_share=expert_share,
        seed=seed,
        scale=chosen,
        budget=replace(size.budget_of(task), **{name: value for name, value in changes.items() if value is not None}),
        source=source,
    )
    return train_one(run, storage_path(results), mirror or ())
