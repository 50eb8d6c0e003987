"""``smore-sweep play``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from smore_sweep.cli import complete
from smore_sweep.cli.options import File, Results
from smore_sweep.errors import UserError
from smore_sweep.storage.paths import DEFAULT_RESULTS


def play(
    task: Annotated[
        str | None,
        typer.Argument(metavar="TASK", help="a task, such as FetchPush", autocompletion=complete.tasks),
    ] = None,
    policy: Annotated[
        str, typer.Option(metavar="POLICY", help="expert, medium, random, or a done run's id (how it begins)")
    ] = "expert",
    episodes: Annotated[int, typer.Option(metavar="N", help="evaluation episodes to show")] = 1,
    seed: Annotated[int, typer.Option(metavar="N", help="number of the first evaluation episode")] = 0,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="a .gif file; the stills lie beside it  [default: in RESULTS/play]"),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="instead: a .png file with stills of every task's expert")
    ] = None,
    results: Results = DEFAULT_RESULTS,
    file: File = None,
) -> int:
    """Roll out a policy and draw it: an animation, and stills of it."""
    from smore_sweep.rendering import animation
    from smore_sweep.storage.paths import storage_path

    if sheet:
        return animation.sheet(sheet, seed)
    if not task:
        raise UserError("name a task to play, such as FetchPush, or give --sheet FILE.png for all of them")
    return animation.play(task, policy, results=storage_path(results), episodes=episodes, first=seed, output=output)
