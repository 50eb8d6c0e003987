"""Names that the shell completes. A name is looked up only while the shell asks."""

from __future__ import annotations


def sweeps() -> list[str]:
    """Return the names of the sweeps."""
    from smore_sweep.discovery import sweep_names

    return sweep_names()


def plans() -> list[str]:
    """Return the names of the sweeps, and the one that stands for all of them."""
    from smore_sweep.planning.campaign import ALL

    return [*sweeps(), ALL]


def tasks() -> list[str]:
    """Return the names of the tasks."""
    from smore_sweep.tasks import SHIPPED

    return list(SHIPPED)


def task_list(incomplete: str) -> list[str]:
    """Return the names of the tasks, each behind those that the list holds already."""
    return _list(incomplete, tasks())


def methods() -> list[str]:
    """Return the names of the methods."""
    from smore_sweep.discovery import methods

    return list(methods())


def method_list(incomplete: str) -> list[str]:
    """Return the names of the methods, each behind those that the list holds already."""
    return _list(incomplete, methods())


def scales() -> list[str]:
    """Return the names of the scales that the sweeps share."""
    return ["smoke", "laptop", "workstation", "paper"]


def _list(incomplete: str, names: list[str]) -> list[str]:
    before, comma, _ = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in names]
