"""``smore-sweep methods``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from smore_sweep.cli import complete
from smore_sweep.cli.options import File
from smore_sweep.method import Knob, Method, knobs

if TYPE_CHECKING:
    from rich.table import Table


def methods(
    method: Annotated[
        str | None,
        typer.Argument(metavar="METHOD", help="a method, such as smore or gc_iql", autocompletion=complete.methods),
    ] = None,
    file: File = None,
) -> int:
    """List the methods, or the knobs of one."""
    from smore_sweep import discovery
    from smore_sweep.console import make_console

    table = knobs_table(discovery.find_method(method)) if method else methods_table(discovery.methods())
    make_console().print(table)
    return 0


def methods_table(known: Mapping[str, type[Method]]) -> Table:
    """Return one row per method: its name, its name in tables, its paper, and the knobs that not all methods have."""
    from rich.table import Table

    common = set.intersection(*(set(knobs(kind)) for kind in known.values()))
    table = Table(
        title="Methods. Runs that differ in knobs with a * train in one stack, with a ** once.", title_justify="left",
        caption=f"All have {', '.join(sorted(common))}.", caption_justify="left",
    )  # fmt: skip
    for heading in ("method", "in tables", "paper and import", "knobs of its own"):
        table.add_column(heading, overflow="fold")  # a knob's name is to be typed, so none of it is left out
    for name, kind in known.items():
        own = {knob: field.metadata["knob"] for knob, field in knobs(kind).items() if knob not in common}
        marked = (f"{knob}{_marks(info)}" for knob, info in own.items())
        line = f"from {kind.__module__} import {kind.__name__}"
        table.add_row(name, kind.name, f"{kind.paper}\n{line}", ", ".join(marked), end_section=True)
    return table


def knobs_table(kind: type[Method]) -> Table:
    """Return one row per knob of a method: default, valid values, meaning."""
    from rich.table import Table

    table = Table(
        title=f"{kind.name}: {kind.paper}", title_justify="left",
        caption=f"from {kind.__module__} import {kind.__name__}", caption_justify="left",
    )  # fmt: skip
    for heading in ("knob", "default", "valid", "meaning"):
        table.add_column(heading, overflow="fold")
    for name, field in knobs(kind).items():
        knob = field.metadata["knob"]
        valid = "true or false" if isinstance(field.default, bool) else knob.describe()
        table.add_row(f"{name}{_marks(knob)}", f"{field.default}", valid, knob.help)
    return table


def _marks(knob: Knob) -> str:
    return "*" * knob.stackable + "**" * knob.test_time
