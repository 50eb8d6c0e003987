"""What commands of the command line have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from smore_sweep.spec import GENERATED

Commands = argparse._SubParsersAction  # argparse has no public name for it


def add_command(
    commands: Commands[argparse.ArgumentParser],
    name: str,
    help: str,
    run: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=help, description=help)
    command.set_defaults(command=run)
    return command


def add_source(command: argparse.ArgumentParser, default: str = GENERATED) -> None:
    command.add_argument("--source", default=default, help=f"where the episodes are from (default: {default})")


def add_results(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--results", default="output", help="results folder: a path or s3://bucket/prefix (default: output)"
    )
