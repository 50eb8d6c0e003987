"""A command of the user's own that is run when a sweep has ended, however it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SECONDS = 60.0
"""What the command gets."""


@dataclass
class Ending:
    """How a sweep ended: ``done``, ``incomplete``, ``interrupted`` or ``failed``; and that in a sentence."""

    status: str
    message: str


@contextlib.contextmanager
def notifying(command: str | None, sweep: str, warn: Callable[[str], None]) -> Iterator[Ending]:
    """Run a shell command, if there is one, at the end of the block, which says how it ended in what this yields; an
    exception says it for itself. The command has the environment variables ``SMORE_SWEEP_SWEEP``,
    ``SMORE_SWEEP_STATUS`` and ``SMORE_SWEEP_MESSAGE``. That it fails is a warning, no more."""
    ending = Ending("failed", f"{sweep}: failed")
    try:
        yield ending
    except KeyboardInterrupt:
        ending.status, ending.message = "interrupted", f"{sweep}: interrupted"
        raise
    except Exception as error:
        ending.status, ending.message = "failed", f"{sweep}: {error}"
        raise
    finally:
        if command:
            names = {"SWEEP": sweep, "STATUS": ending.status, "MESSAGE": ending.message}
            _run(command, {f"SMORE_SWEEP_{name}": value for name, value in names.items()}, warn)


def _run(command: str, variables: dict[str, str], warn: Callable[[str], None]) -> None:
    # A session of its own: a second Ctrl-C does not reach it, and it can be ended with all that it has started.
    process = subprocess.Popen(
        command, shell=True, env=os.environ | variables, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        code = process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        warn(f"the notification command did not end within {SECONDS:g} s and was stopped")
    else:
        if code:
            warn(f"the notification command ended with exit code {code}")
