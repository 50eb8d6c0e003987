"""The commands that are scripts of ``analysis/``: each script declares and reads its own options."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping

import typer

SCRIPTS: Mapping[str, tuple[str, str]] = {
    "tables": ("analysis.tables", "Write the paper's tables from the finished runs."),
    "figures": ("analysis.figures", "Draw the figures of the finished sweeps."),
    "claims": ("analysis.claims", "Judge each claim of the paper by the finished runs."),
    "report": ("analysis.report", "Write a sweep as one HTML page."),
    "results": ("analysis.results", "Write RESULTS.md: claims, tables and provenance."),
    "select": ("analysis.selection", "Choose the tuned knobs from the runs of the tuning sweeps."),
    "export": ("analysis.export", "Write the ended runs into files small enough to commit."),
}
"""Module and help of each command."""


def add_scripts(app: typer.Typer) -> None:
    """Add a command per script to the command line."""
    for name, (module, summary) in SCRIPTS.items():
        app.command(
            name,
            help=summary,
            add_help_option=False,
            context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
        )(_front(name, module))


def _front(name: str, module: str) -> Callable[[typer.Context], int]:
    def front(context: typer.Context) -> int:
        return run_script(name, module, context.args)

    return front


def run_script(name: str, module: str, arguments: list[str]) -> int:
    """Call a script's ``main`` with arguments and return the exit code."""
    before, sys.argv = sys.argv, [f"smore-sweep {name}", *arguments]  # argparse takes the program's name from there
    try:
        code: int = importlib.import_module(module).main(arguments)
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else int(exit.code is not None)
    finally:
        sys.argv = before
    return code
