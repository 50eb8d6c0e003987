"""Run a command of the user's when a sweep ends, however it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

TIMEOUT_SECONDS = 60.0
"""Time that the command may take."""


@dataclass
class Ending:
    """End of a sweep.

    Attributes:
        status: ``done``, ``incomplete``, ``interrupted`` or ``failed``.
        message: The same in a sentence.
    """

    status: str
    message: str


@contextlib.contextmanager
def notifying(command: str | None, sweep: str, warn: Callable[[str], None]) -> Iterator[Ending]:
    """Run a shell command at the end of the block.

    The block fills in the :class:`Ending` that it receives; an exception sets it by itself. The command gets the
    environment variables ``SMORE_SWEEP_SWEEP``, ``SMORE_SWEEP_STATUS`` and ``SMORE_SWEEP_MESSAGE``.

    Args:
        command: The command; None or empty for none.
        sweep: The sweep's name.
        warn: Called with a sentence if the command fails or hangs.
    """
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
    # In a session of its own, a second Ctrl-C does not reach it, and it can be killed with its children.
    process = subprocess.Popen(
        command, shell=True, env=os.environ | variables, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        code = process.wait(TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        warn(f"the notification command did not end within {TIMEOUT_SECONDS:g} s and was stopped")
    else:
        if code:
            warn(f"the notification command ended with exit code {code}")
