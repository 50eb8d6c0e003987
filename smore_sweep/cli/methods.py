"""``smore-sweep methods``: list the methods, or the knobs of one."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from smore_sweep.method import Method, knobs


def methods_table(known: Mapping[str, type[Method]]) -> Table:
    """Every method: the name to give, the name in tables, where it comes from, and the knobs that not all have."""
    common = set.intersection(*(set(knobs(kind)) for kind in known.values()))
    table = Table(
        title="Methods. Runs that differ in knobs with a * train in one stack.", title_justify="left",
        caption=f"All have {', '.join(sorted(common))}.", caption_justify="left",
    )  # fmt: skip
    for heading in ("method", "in tables", "paper", "knobs of its own"):
        table.add_column(heading, overflow="fold")  # a knob's name is to be typed, so none of it is left out
    for name, kind in known.items():
        own = {knob: field.metadata["knob"] for knob, field in knobs(kind).items() if knob not in common}
        marked = (f"{knob}{'*' * info.stackable}" for knob, info in own.items())
        table.add_row(name, kind.name, kind.paper, ", ".join(marked), end_section=True)
    return table


def knobs_table(kind: type[Method]) -> Table:
    """Every knob of a method: default, valid values, meaning."""
    table = Table(title=f"{kind.name}: {kind.paper}", title_justify="left")
    for heading in ("knob", "default", "valid", "meaning"):
        table.add_column(heading, overflow="fold")
    for name, field in knobs(kind).items():
        knob = field.metadata["knob"]
        valid = "true or false" if isinstance(field.default, bool) else knob.describe()
        table.add_row(f"{name}{'*' * knob.stackable}", f"{field.default}", valid, knob.help)
    return table
