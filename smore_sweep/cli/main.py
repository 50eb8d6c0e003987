"""The command line: ``smore-sweep --help``. A command imports its libraries when it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from smore_sweep.cli import data
from smore_sweep.cli.bench import bench
from smore_sweep.cli.doctor import doctor
from smore_sweep.cli.experts import experts
from smore_sweep.cli.methods import methods
from smore_sweep.cli.plan import plan
from smore_sweep.cli.play import play
from smore_sweep.cli.run import run
from smore_sweep.cli.scripts import add_scripts
from smore_sweep.cli.status import status
from smore_sweep.cli.submit import submit
from smore_sweep.cli.tasks import tasks
from smore_sweep.cli.train import train
from smore_sweep.cli.ui import ui
from smore_sweep.cli.verify import verify
from smore_sweep.cli.videos import videos
from smore_sweep.cli.work import work
from smore_sweep.errors import UserError, printable
from smore_sweep.exit_codes import INTERRUPTED, REFUSED


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # Typer itself would end in silence
            print("smore-sweep: interrupted", file=sys.stderr)
            return INTERRUPTED


app = typer.Typer(
    cls=_Commands,
    help="Sweeps of offline goal-conditioned RL experiments: plan, run, browse.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
COMMANDS: tuple[Callable[..., int], ...] = (
    run, submit, work, plan, status, train, methods, tasks, experts, play, videos, ui, bench, doctor, verify,
)  # fmt: skip
for command in COMMANDS:
    app.command()(command)
app.add_typer(data.app, name="data")
add_scripts(app)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. A user's mistake is one sentence on standard error and exit code 2."""
    try:
        code: int = get_command(app).main(args=argv, prog_name="smore-sweep", standalone_mode=False)
    except UserError as error:
        print(f"smore-sweep: {_shown(str(error))}", file=sys.stderr)
        return REFUSED
    except OSError as error:  # of a file that nothing more special has refused
        print(
            f"smore-sweep: {_shown(f'{error.filename or type(error).__name__}: {error.strerror or error}')}",
            file=sys.stderr,
        )
        return REFUSED
    except typer.TyperException as error:
        print(f"smore-sweep: {_shown(error.format_message())}", file=sys.stderr)
        return REFUSED
    return code


def _shown(message: str) -> str:
    return "\n".join(map(printable, message.splitlines()))


if __name__ == "__main__":
    sys.exit(main())
