"""Names of a sweep's configurations: each method with the knobs that tell its configurations apart."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from smore_sweep.method import Method, knobs
from smore_sweep.spec import Sweep


def declared(sweep: Sweep) -> list[Method]:
    """List the configurations of a sweep's grids."""
    return [method for grid in sweep.grids for method in grid.methods]


def varied_knobs(methods: Iterable[Method]) -> list[str]:
    """List the knobs in which configurations of one method differ, in the order of their declarations."""
    return list(dict.fromkeys(name for own in _by_class(methods) for name in _differing(own)))


def series_names(methods: Iterable[Method], without: Collection[str] = ()) -> dict[str, str]:
    """Name the configurations, by their labels.

    A name holds the knobs that are not at their defaults. Where a method's configurations are a full grid of the knobs
    in which they differ, it holds all of these, so that the default's value is named like the others:
    ``SMORe temperature=3.0`` beside ``SMORe temperature=1.0``.

    Args:
        methods: The configurations.
        without: Knobs that no name holds, such as that of a figure's axis.
    """
    names = {}
    for own in _by_class(methods):
        differing = [name for name in _differing(own) if name not in without]
        cells = {tuple(getattr(method, name) for name in differing) for method in own}
        grid = len(cells) == math.prod(len(set(column)) for column in zip(*cells, strict=True))
        for method in own:
            named = {*method.changed(), *(differing if grid else ())} - set(without)
            shown = "".join(f" {name}={value}" for name, value in method.fields().items() if name in named)
            names[method.label] = f"{method.name}{shown}"
    return names


def _by_class(methods: Iterable[Method]) -> list[list[Method]]:
    by_class: dict[type[Method], dict[Method, None]] = {}
    for method in methods:
        by_class.setdefault(type(method), {})[method] = None
    return [list(own) for own in by_class.values()]


def _differing(own: list[Method]) -> list[str]:
    return [name for name in knobs(type(own[0])) if len({getattr(method, name) for method in own}) > 1]
