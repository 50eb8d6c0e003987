"""One page per method: its equations, variants and deviations from its docstring, and its knobs."""

from __future__ import annotations

import inspect
import sys

from generators.markdown import docstring, inline, table, toctree
from smore_sweep.discovery import methods
from smore_sweep.method import Method, knobs


def pages() -> dict[str, str]:
    """Return the list of methods and each one's page, by file name."""
    known = methods()
    return {"methods.md": _list(known)} | {f"methods/{name}.md": _page(name, kind) for name, kind in known.items()}


def _list(known: dict[str, type[Method]]) -> str:
    rows = [
        [f"[{inline(kind.name)}](methods/{name}.md)", f"`{name}`", inline(kind.paper)] for name, kind in known.items()
    ]
    return "\n\n".join(
        [
            "# All methods",
            f"{len(known)} methods ship. Each page has the equations, the deviations from the paper or its code, and "
            "the knobs.",
            table(["method", "on the command line", "paper"], rows),
            toctree(f"methods/{name}" for name in known),
        ]
    )


def _page(name: str, kind: type[Method]) -> str:
    module = sys.modules[kind.__module__]
    shared = [other for other in map(sys.modules.get, _frames(kind)) if other is not None]
    parts = [
        f"# {kind.name}",
        f"{inline(kind.paper)}.",
        f"```python\nfrom {kind.__module__} import {kind.__name__}\n```",
        "## Equations and deviations",
        docstring(inspect.getdoc(module) or ""),
    ]
    for other in shared:
        parts += [f"### Shared with other methods: `{other.__name__}`", docstring(inspect.getdoc(other) or "")]
    parts += [
        "## Knobs",
        "Runs that differ only in knobs with a \\* train in one stack. Knobs with \\*\\* concern acting alone: runs "
        "that differ in them are one training.",
        table(["knob", "default", "valid", "meaning"], _knobs(kind)),
    ]
    return "\n\n".join(parts) + "\n"


def _frames(kind: type[Method]) -> list[str]:
    """Return the modules of the method's bases, which a method's docstring refers to."""
    bases = (base.__module__ for base in kind.__mro__[1:] if issubclass(base, Method) and base is not Method)
    return [module for module in dict.fromkeys(bases) if module != kind.__module__]


def _knobs(kind: type[Method]) -> list[list[str]]:
    rows = []
    for name, field in knobs(kind).items():
        knob = field.metadata["knob"]
        valid = "true or false" if isinstance(field.default, bool) else knob.describe()
        rows.append(
            [
                f"`{name}`{' *' * knob.stackable}{' **' * knob.test_time}".replace("*", "\\*"),
                f"`{field.default}`",
                inline(valid),
                inline(knob.help),
            ]
        )
    return rows
