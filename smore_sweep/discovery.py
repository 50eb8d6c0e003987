"""The methods that exist: SMORe and one file each in ``baselines/``. There is no registry; the files are looked at.
A file whose name begins with an underscore is shared by methods and is none itself."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Mapping
from typing import Any

from smore_sweep.deferred import deferred
from smore_sweep.errors import DeclarationError
from smore_sweep.method import Method, knobs


def methods() -> dict[str, type[Method]]:
    """Every method, by the name of its file."""
    import baselines

    files = [module.name for module in pkgutil.iter_modules(baselines.__path__) if not module.name.startswith("_")]
    names = ["smore_sweep.smore", *(f"baselines.{file}" for file in files)]
    found: dict[str, type[Method]] = {}
    for name in names:
        with deferred("torch"):
            module = importlib.import_module(name)
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, Method) and kind.__module__ == name and "name" in vars(kind):
                found[name.rpartition(".")[2]] = kind
    return found


def find_method(name: str) -> type[Method]:
    """The method of that file or, whatever the punctuation, of that name in tables: ``iql``, ``gc_iql``, ``GC-IQL``.

    Raises :class:`DeclarationError`, which lists the valid names, if there is none."""
    known = methods()
    wanted = _letters(name)
    for file, kind in known.items():
        if wanted in (_letters(file), _letters(kind.name)):
            return kind
    raise DeclarationError(f"unknown method {name!r}; the methods are: {', '.join(known)}")


def configure(kind: type[Method], settings: Mapping[str, str]) -> Method:
    """The method with knobs given as text, ``{"expectile": "0.9"}``. Raises :class:`DeclarationError` for an unknown
    knob and for a value that the knob cannot hold."""
    declared = knobs(kind)
    fields: dict[str, Any] = {}
    for name, text in settings.items():
        fields[name] = _parse(text, declared[name].default) if name in declared else text
    return kind(**fields)


def _parse(text: str, default: object) -> object:
    """The text as the type of the knob's default, or the text itself, which the knob then refuses."""
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(text.lower(), text)
    if isinstance(default, (int, float)):
        try:
            return type(default)(text)
        except ValueError:
            return text
    return text


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
