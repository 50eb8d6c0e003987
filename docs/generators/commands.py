"""The command line's reference, from the commands themselves."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from generators.markdown import inline, table
from smore_sweep.cli.main import app
from smore_sweep.cli.scripts import SCRIPTS, run_script

OPTION = re.compile(r"(?<![\w`-])--[a-z][a-z-]*")


def pages() -> dict[str, str]:
    """Return the page of the command line."""
    parts = [
        "# Command line",
        "`make setup` installs `smore-sweep` into `.venv/bin`. Every `make` target calls one of these commands: "
        "`make sweep SWEEP=main SCALE=paper` is `smore-sweep run main --scale paper`. In the shell "
        "`smore-sweep --install-completion` completes commands, sweeps, methods and tasks.",
        "A mistake is one sentence and exit code 2. [Running](../../guide/running.md#exit-codes) has the other codes.",
    ]
    for name, command in _leaves("", get_command(app)):
        parts += [f"## {name}", *(_script(name) if name in SCRIPTS else _command(name, command))]
    return {"commands.md": "\n\n".join(parts) + "\n"}


def _leaves(prefix: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield prefix, command
        return
    for name, child in command.commands.items():
        yield from _leaves(f"{prefix} {name}".strip(), child)


def _command(name: str, command: Any) -> Iterator[str]:
    shown = [param for param in command.params if not param.hidden]
    arguments = " ".join(_word(param) for param in shown if param.param_type_name == "argument")
    yield f"```text\nsmore-sweep {' '.join(filter(None, [name, arguments, '[OPTIONS]']))}\n```"
    yield _prose(command.help)
    rows = [[_code(param), _prose(param.help) + _default(param)] for param in shown]
    if rows:
        yield table(["option", "meaning"], rows)


def _prose(text: str | None) -> str:
    """Return a help text as Markdown, its options as code."""
    return inline(OPTION.sub(r"``\g<0>``", " ".join((text or "").split())))


def _word(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _code(param: Any) -> str:
    if param.param_type_name == "argument":
        return f"`{_word(param)}`"
    flags = ", ".join([*param.opts, *param.secondary_opts])
    return f"`{flags}`" if param.is_flag else f"`{flags} {param.metavar or 'VALUE'}`"


def _default(param: Any) -> str:
    unsaid = param.default in (None, False, (), [], "") or callable(param.default) or "default" in (param.help or "")
    return "" if unsaid else f" (default: `{param.default}`)"


def _script(name: str) -> Iterator[str]:
    """Show what a script of analysis/ says of itself: its options are declared there."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        run_script(name, SCRIPTS[name][0], ["--help"])
    yield inline(SCRIPTS[name][1])
    yield f"```text\n{text.getvalue().strip()}\n```"
