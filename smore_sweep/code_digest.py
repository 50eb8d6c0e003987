"""Fingerprints of source code: whether a class or function still is what it was.

A fingerprint covers the definition and everything that it refers to, by name, in its own file and in files of the same
package (for a sweep file: of its folder). Comments, docstrings and layout do not count, nor do other definitions of the
file, so a sweep file may get more grids. The platform's own modules do not count, unless the definition is in one.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

Node: TypeAlias = ast.stmt
WHOLE = "*"
"""Stands for all definitions of a module."""
LAMBDA = "<lambda>"
"""What Python calls a function without a name."""
PLATFORM, BASE = "smore_sweep", "smore_sweep.method"


def code_digest(*definitions: Any, bases: bool = True) -> str:
    """Fingerprint classes or functions in 16 hexadecimal digits.

    Args:
        definitions: The classes or functions.
        bases: Whether the classes that they derive from count, too, where these are of another package, such as
            Python's own, which changes with its version.

    Returns:
        The fingerprint; empty if no source is known, as for what is typed into a shell.
    """
    seen: set[tuple[str, str]] = set()
    parts = sorted(
        part
        for definition in definitions
        for home in (definition.__mro__ if bases and isinstance(definition, type) else (definition,))
        for part in _parts(_module_of(home), _name_of(home), seen)
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16] if parts else ""


def source_file(definition: Any) -> str:
    """Return the name of the file that holds a class or function."""
    file = getattr(sys.modules.get(_module_of(definition)), "__file__", None)
    return Path(file).name if file else "code typed into a shell"


def _module_of(definition: Any) -> str:
    return str(getattr(definition, "__module__", type(definition).__module__))


def _name_of(definition: Any) -> str:
    """Return the name in its file of what holds a class or function; a lambda outside of any has its line's."""
    name: str = getattr(definition, "__qualname__", WHOLE).split(".")[0]
    return f"{LAMBDA} {definition.__code__.co_firstlineno}" if name == LAMBDA else name


@dataclass(frozen=True)
class _Source:
    """A module's top-level statements by the names that they define, and the names that it imports from relatives."""

    definitions: dict[str, list[Node]]
    lambdas: dict[str, list[ast.Lambda]]
    """Those that begin on a line, by :func:`_name_of`."""
    imports: dict[str, tuple[str, str]]
    """Module and name there, by local name."""


def _parts(module: str, name: str, seen: set[tuple[str, str]]) -> Iterator[str]:
    """Yield the code of a definition, and of all that it refers to."""
    file = Path(getattr(sys.modules.get(module), "__file__", None) or "")
    if (module, name) in seen or module == BASE or file.suffix != ".py" or not file.is_file():
        return
    seen.add((module, name))
    source = _read(module, file, file.stat().st_mtime_ns)
    if name in source.imports:
        yield from _parts(*source.imports[name], seen)
        return
    nodes: list[Node] | list[ast.Lambda] = source.lambdas.get(name) or source.definitions.get(name, [])
    if name == WHOLE:
        nodes = [node for found in source.definitions.values() for node in found]
    for node in nodes:
        yield f"{module.rpartition('.')[2]}.{ast.unparse(node)}"
        for used in sorted({part.id for part in ast.walk(node) if isinstance(part, ast.Name)}):
            if used in source.definitions or used in source.imports:
                yield from _parts(module, used, seen)


@functools.lru_cache(maxsize=256)
def _read(module: str, file: Path, changed: int) -> _Source:
    """Parse a module. ``changed`` is the file's time of change."""
    definitions: dict[str, list[Node]] = {}
    imports: dict[str, tuple[str, str]] = {}
    lambdas: dict[str, list[ast.Lambda]] = {}
    tree = _Plain().visit(ast.parse(file.read_text()))
    for part in ast.walk(tree):
        if isinstance(part, ast.Lambda):
            lambdas.setdefault(f"{LAMBDA} {part.lineno}", []).append(part)
    for node in tree.body:
        if isinstance(node, ast.If):  # if TYPE_CHECKING
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= _relatives(module, node)
        for name in _defined(node):
            definitions.setdefault(name, []).append(node)
    return _Source(definitions, lambdas, imports)


def _relatives(module: str, node: ast.Import | ast.ImportFrom) -> dict[str, tuple[str, str]]:
    """Return what an import statement takes from modules of the same package or folder."""
    found = {}
    if isinstance(node, ast.Import):
        for alias in node.names:
            if _related(module, alias.name):
                found[alias.asname or alias.name.partition(".")[0]] = alias.name, WHOLE
        return found
    package = module.rsplit(".", node.level)[0] if node.level and "." in module else ""
    origin = ".".join(filter(None, (package, node.module))) if node.level else node.module or ""
    for alias in node.names:
        whole = f"{origin}.{alias.name}"
        if whole in sys.modules and _related(module, whole):
            found[alias.asname or alias.name] = whole, WHOLE
        elif _related(module, origin):
            found[alias.asname or alias.name] = origin, alias.name
    return found


def _related(module: str, other: str) -> bool:
    """Return whether a module's fingerprint covers another one: of its package or, for a top-level file, beside it."""
    top, other_top = module.partition(".")[0], other.partition(".")[0]
    if PLATFORM in (top, other_top):
        return False
    if "." in module and top == other_top:
        return True
    file, other_file = (Path(getattr(sys.modules.get(name), "__file__", None) or "") for name in (module, other_top))
    return "." not in module and other_file.suffix == ".py" and file.parent in other_file.parents


def _defined(node: Node) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [part.id for target in targets if target for part in ast.walk(target) if isinstance(part, ast.Name)]


class _Plain(ast.NodeTransformer):
    """Removes docstrings and other statements that are only a string."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node
