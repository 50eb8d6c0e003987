"""Fingerprints of declared tasks: the source code of their parts, and the values that these are bound to.

The parts are the environment, the policies, the test of success and the maker of trajectories. Those that are classes
or functions of a module have the fingerprint of their code (:mod:`smore_sweep.code_digest`). Where one is more than
that, such as a ``functools.partial``, a lambda, a closure or an environment that Gymnasium knows, the fingerprint
covers what it is bound to as well.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from types import CellType
from typing import Any

from smore_sweep.code_digest import LAMBDA, code_digest
from smore_sweep.hashing import digest
from smore_sweep.task import ENVIRONMENT, Task, load_function


def task_parts(row: Task) -> list[Any]:
    """Return the parts that a declared task consists of; none for a task that ships.

    Raises:
        DeclarationError: If one that is declared by its name cannot be imported.
    """
    if not row.content:
        return []
    parts: list[Any] = [row.environment, row.expert, row.medium, row.trajectories]
    parts += [row.success] if row.success != ENVIRONMENT else []
    return [load_function(part) if isinstance(part, str) else part for part in parts if part]


def plain(row: Task) -> bool:
    """Return whether the code of a declared task's parts says all of them."""
    declared = (row.environment, row.expert, row.medium, row.success)
    return not row.trajectories and all(_is_plain(part) for part in declared if part and part != ENVIRONMENT)


@functools.cache  # at first use, which is soon after the import: later changes of a file are not those of its classes
def code_of(row: Task) -> str:
    """Fingerprint the code of a declared task's parts; empty for a task that ships, and if no source is known."""
    return code_digest(*map(_imported, task_parts(row)))


@functools.cache
def setup_of(row: Task) -> str:
    """Fingerprint a declared task's parts with the values that they are bound to; empty for a task that ships."""
    parts = task_parts(row)
    return bound_digest(parts) if parts else ""


def maker_code(row: Task, pool: str) -> str:
    """Fingerprint what makes the episodes of a declared task's pool; empty for a task that ships."""
    if not row.content:
        return ""
    maker = row.maker(pool)
    parts = [maker, *([] if pool == row.dataset else [row.environment])]
    return bound_digest(load_function(part) if isinstance(part, str) else part for part in parts if part)


def bound_digest(parts: Iterable[Any]) -> str:
    """Fingerprint classes, functions and registrations of environments with the values that they are bound to."""
    return digest([_described(part) for part in parts])


def _is_plain(part: Any) -> bool:
    name = getattr(part, "__qualname__", None)
    bound = getattr(part, "__closure__", None) or hasattr(part, "__self__")
    return isinstance(name, str) and not name.startswith(LAMBDA) and not bound


def _described(value: Any, inside: tuple[Any, ...] = ()) -> Any:
    """Describe a value as JSON: code by its fingerprint, an object of another kind by its class and a dataclass's
    fields. What may change while a program runs is left out."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, functools.partial):
        return ["partial", *map(_described, (value.func, value.args, value.keywords))]
    if isinstance(value, Mapping):
        return {str(name): _described(own) for name, own in value.items()}
    if isinstance(value, (list, tuple)):
        return [_described(own) for own in value]
    if _is_registration(value):
        maker = load_function(value.entry_point) if isinstance(value.entry_point, str) else value.entry_point
        return [value.id, *map(_described, (maker, value.kwargs))]
    if isinstance(getattr(value, "__qualname__", None), str):
        if any(value is outer for outer in inside):  # a function that calls itself
            return value.__qualname__
        cells = map(_content, getattr(value, "__closure__", None) or ())
        bound = [_described(cell, (*inside, value)) for cell in cells]
        others = [getattr(value, name, None) for name in ("__self__", "__defaults__", "__kwdefaults__")]
        return [value.__qualname__, _code(getattr(value, "__func__", value)), bound, _described(others)]
    if hasattr(value, "tolist"):  # arrays and NumPy's numbers
        return _described(value.tolist())
    own = {field.name: getattr(value, field.name) for field in fields(value)} if is_dataclass(value) else {}
    return [_described(type(value)), _described(own)]


def _is_registration(value: Any) -> bool:
    """Return whether a value is an ``EnvSpec``. Gymnasium is not imported for it."""
    return type(value).__module__ == "gymnasium.envs.registration"


def _content(cell: CellType) -> Any:
    """Return what a function is bound to, unless that may change or is not there yet."""
    try:
        content = cell.cell_contents
    except ValueError:
        return None
    return None if isinstance(content, (list, dict, set)) else content


@functools.cache
def _code(part: Any) -> str:
    if getattr(part, "__module__", "") == "__main__":  # which is another module in a worker
        return ""
    return code_digest(_imported(part), bases=False)


def _imported(part: Any) -> Any:
    """Import the module of a part, whose source is to be read: a worker may have got a function without it."""
    with suppress(ImportError, AttributeError):
        importlib.import_module(part.__module__)
    return part
