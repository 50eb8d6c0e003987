"""One driver a results folder. The lock is the operating system's: it goes with the process, however that ends."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smore_sweep.method import SpecError


@contextmanager
def hold(results: Path, what: str) -> Iterator[None]:
    """Hold the results folder's lock, or raise :class:`SpecError` that names who holds it."""
    with (results / "driver.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise SpecError(
                f"results folder {results} is in use by {holder}; wait for it, or give another folder with RESULTS=..."
            ) from None
        file.truncate(0)
        file.write(f"{what} (process {os.getpid()} on {socket.gethostname()})")
        file.flush()
        yield
