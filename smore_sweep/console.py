"""The terminal: the console, durations in words, and progress bars that become plain lines without a terminal.

:mod:`smore_sweep.monitoring.progress_reporter` shows a sweep while it trains.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

PLAIN_SECONDS = 10.0
"""Seconds between two lines of progress where there is no terminal."""


def make_console(*, stderr: bool = False) -> Console:
    """Return a console on standard output or standard error, 100 columns wide where that is no terminal."""
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(width=None if terminal else 100, soft_wrap=False, highlight=False, stderr=stderr)


def format_duration(seconds: float) -> str:
    """Format seconds as ``45 s``, ``3 min 20 s`` or ``2 h 05 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


@contextmanager
def progress_bar(out: Console, name: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar, or a line every :data:`PLAIN_SECONDS` where there is no terminal.

    Yields:
        A function that advances the bar by a count.
    """
    started = printed = time.monotonic()
    done = 0
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TextColumn("{task.fields[note]}"), console=out, transient=True, disable=not out.is_terminal,
    )  # fmt: skip
    with bar:
        row = bar.add_task(name, total=total, note="")

        def advance(count: int) -> None:
            nonlocal done, printed
            done += count
            now = time.monotonic()
            left = format_duration((now - started) / max(done, 1) * (total - done))
            bar.update(row, completed=done, note=f"{left} left")
            if not out.is_terminal and now - printed >= PLAIN_SECONDS:
                printed = now
                out.print(f"{name}: {done:,} of {total:,}, {left} left")

        yield advance
    out.print(f"{name}: {done:,} in {format_duration(time.monotonic() - started)}")
