"""One writer at a time. The locks are the operating system's: they go with the process, however that ends. (An object
store has none; see :mod:`smore_sweep.storage.lease`.)"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from smore_sweep.errors import LockedError, StorageError
from smore_sweep.storage.lease import lease
from smore_sweep.storage.paths import StoragePath


@contextmanager
def hold(results: StoragePath, what: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of the results, or raise :class:`StorageError` that names who holds it. In an object store it may
    take a while to find out whether its holder lives; ``say`` is told so."""
    try:
        path = results / "driver.lock"
        with _file(path, what) if isinstance(path, Path) else lease(path, _signature(what), say):
            yield
    except LockedError as holder:
        raise StorageError(
            f"results folder {results} is in use by {holder}; wait for it, or give another folder with RESULTS=..."
        ) from None


@contextmanager
def _file(path: Path, what: str) -> Iterator[None]:
    with ExitStack() as opened:
        try:
            holder = _take(opened.enter_context(path.open("a+")), what)
        except OSError as error:  # another user's file, or a file system without locks
            raise StorageError(f"{path} cannot be locked: {error.strerror}") from None
        if holder:
            raise LockedError(holder)
        yield


@contextmanager
def queue(path: Path, what: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a file. While another process holds it, say so once and wait."""
    with path.open("a+") as file:
        if holder := _take(file, what):
            say(f"waiting for {holder}")
            fcntl.flock(file, fcntl.LOCK_EX)
            _sign(file, what)
        yield


def _take(file: TextIO, what: str) -> str:
    """Lock a file and write into it what for, or return who has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        return file.read().strip() or "another process"
    _sign(file, what)
    return ""


def _sign(file: TextIO, what: str) -> None:
    file.truncate(0)
    file.write(_signature(what))
    file.flush()


def _signature(what: str) -> str:
    return f"{what} (process {os.getpid()} on {socket.gethostname()})"
