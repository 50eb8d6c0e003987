"""Sweep files of users: import them with the modules beside them.

A file is imported as a module of its own name, with its folder on the path, as Python does for a script. Workers get
the same folder, so classes and functions of the file are known there.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from contextlib import suppress
from pathlib import Path
from traceback import extract_tb
from types import ModuleType

from smore_sweep.errors import DeclarationError

OWN = ("smore_sweep", "baselines", "sweeps", "analysis")
"""Packages of the platform, which a folder may hold too."""

_imported: dict[str, tuple[Path, int]] = {}
"""File and time of change of the modules that came with the last sweep file."""


_folder: list[Path] = []
"""Its folder, which is on the path."""


def folder() -> Path | None:
    """Return the folder of the sweep file that this process has imported, if any."""
    return next(iter(_folder), None)


def modules() -> list[ModuleType]:
    """Return the sweep file and the imported modules of its folder."""
    return [sys.modules[name] for name in _imported if name in sys.modules]


def import_file(path: Path) -> ModuleType:
    """Import a file. What was imported with an earlier one is imported anew if it has changed.

    Raises:
        DeclarationError: If there is no such file, or if its name or that of a module beside it hides another module.
    """
    if not path.is_file():
        raise DeclarationError(f"there is no sweep file {path}")
    path = path.resolve()
    name = path.stem
    if _imported.get(name, (None,))[0] == path and all(
        file.exists() and file.stat().st_mtime_ns == changed for file, changed in _imported.values()
    ):
        return sys.modules[name]
    _drop_bytecode()
    forget()
    _check_names(path)
    _folder.append(path.parent)
    sys.path.insert(0, str(path.parent))
    importlib.invalidate_caches()
    before = set(sys.modules)
    try:
        return importlib.import_module(name)
    finally:
        for module in set(sys.modules) - before:
            if (file := _file_beside(sys.modules[module], path.parent)) is not None:
                _imported[module] = file, file.stat().st_mtime_ns


def own_line(error: BaseException) -> str:
    """Return the innermost line of an error that is a user's, in brackets; empty if there is none."""
    platform = Path(__file__).parent
    for frame in reversed(extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if platform not in file.parents and not file.is_relative_to(sys.prefix):
            return f" ({file.name}, line {frame.lineno}: {frame.line})"
    return ""


def forget() -> None:
    """Undo the last import of a sweep file."""
    for old in _folder:
        if str(old) in sys.path:
            sys.path.remove(str(old))
    for module in _imported:
        sys.modules.pop(module, None)
    _folder.clear()
    _imported.clear()


def _drop_bytecode() -> None:
    """Remove the bytecode of modules that have changed.

    Python takes it for the new file's if that is of the same second and size.
    """
    for file, changed in _imported.values():
        if not file.exists() or file.stat().st_mtime_ns != changed:
            with suppress(OSError, NotImplementedError):
                Path(importlib.util.cache_from_source(str(file))).unlink()


def _check_names(path: Path) -> None:
    for neighbour in sorted(path.parent.glob("*.py")):
        if neighbour.stem in sys.stdlib_module_names:
            raise DeclarationError(
                f"{neighbour.name} beside the sweep file hides Python's module {neighbour.stem}; give it another name"
            )
    try:
        spec = importlib.util.find_spec(path.stem)
        # Python may have the current folder on the path; the file's own comes before it.
        own = {path, Path.cwd() / path.name}
        taken = spec is not None and (spec.origin is None or Path(spec.origin).resolve() not in own)
    except (ImportError, ValueError):
        taken = path.stem in sys.modules
    if taken:
        raise DeclarationError(f"sweep file {path.name} has the name of the module {path.stem}; give it another name")


def _file_beside(module: ModuleType, place: Path) -> Path | None:
    """Return the module's file if it is in the folder: a file there, or in a package there."""
    file = getattr(module, "__file__", None)
    top = module.__name__.partition(".")[0]
    if not file or top in OWN:
        return None
    found = Path(file)
    return found if found == place / f"{top}.py" or place / top in found.parents else None
