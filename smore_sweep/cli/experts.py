"""``smore-sweep experts``."""

from __future__ import annotations

from typing import Annotated

import typer

from smore_sweep.cli import complete


def experts(
    tasks: Annotated[
        list[str] | None,
        typer.Argument(metavar="TASK", help="tasks  [default: all]", autocompletion=complete.tasks),
    ] = None,
    episodes: Annotated[int, typer.Option(metavar="N", help="fresh episodes of each policy")] = 200,
) -> int:
    """Measure the policies that the data are made of."""
    from smore_sweep.data.policy_scores import measure

    return measure(tasks or (), episodes)
