"""``smore-sweep tasks``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from smore_sweep.cli.options import File

if TYPE_CHECKING:
    from rich.table import Table

    from smore_sweep.task import Task


def tasks(
    ogbench: Annotated[bool, typer.Option("--ogbench", help="OGBench's, one per dataset")] = False,
    file: File = None,
) -> int:
    """List the tasks."""
    from smore_sweep import tasks as known
    from smore_sweep.console import make_console

    rows = known.ogbench().values() if ogbench else [*known.SHIPPED.values(), *known.declared()]
    make_console().print(tasks_table(rows))
    return 0


def tasks_table(rows: Iterable[Task]) -> Table:
    """Return one row per task: the sizes of its spaces, its horizon, thresholds, expert and pools."""
    from rich.table import Table

    table = Table(
        title="Tasks", title_justify="left", caption_justify="left",
        caption="Sizes: observation/goal/action, or images/action. Threshold: of the sparse reward, in the goal's "
        "units; in brackets that of success, where it is another. Experts are functions in smore_sweep.experts.",
    )  # fmt: skip
    table.add_column("task", overflow="fold")
    table.add_column("sizes", no_wrap=True)
    for name in ("horizon", "threshold"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("expert", "pools"):
        table.add_column(name, overflow="fold")
    for row in rows:
        success = "" if row.success_threshold is None else f" ({row.success_threshold:g})"
        table.add_row(
            row.name,
            f"{'images' if row.sizes.image else f'{row.sizes.observation}/{row.sizes.goal}'}/{row.sizes.action}",
            str(row.horizon),
            f"{row.threshold:g}{success}",
            row.source_of("expert").removeprefix("smore_sweep.experts.") or "·",
            ", ".join(row.pools),
        )
    return table
