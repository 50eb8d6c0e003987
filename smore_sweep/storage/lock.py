"""Locks of the operating system: one writer at a time.

A lock disappears with its process, however that ends. Object stores have no locks; see
:mod:`smore_sweep.storage.lease`.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from smore_sweep.errors import LockedError, StorageError
from smore_sweep.storage.fence import OPEN, Fence
from smore_sweep.storage.lease import lease
from smore_sweep.storage.paths import StoragePath


@contextmanager
def hold(results: StoragePath, what: str, say: Callable[[str], None]) -> Iterator[Fence]:
    """Hold the lock of the results for the block.

    Args:
        results: The results folder.
        what: The command that holds it, for messages of others.
        say: Receives a sentence if it takes a while to find out whether another holder is alive (object stores only).

    Yields:
        The fence to check before each write.

    Raises:
        StorageError: Another process holds it; the message names that process.
    """
    try:
        path = results / "driver.lock"
        with _file(path, what) if isinstance(path, Path) else lease(path, _signature(what), say) as fence:
            yield fence
    except LockedError as holder:
        raise StorageError(
            f"results folder {results} is in use by {holder}; wait for it, or give another folder with RESULTS=..."
        ) from None


@contextmanager
def share(results: Path, what: str) -> Iterator[None]:
    """Hold the lock of a folder beside others that share it, for the block. It excludes those that hold it alone.

    Raises:
        StorageError: Another process holds it alone; the message names that process.
    """
    try:
        with _file(results / "driver.lock", what, fcntl.LOCK_SH):
            yield
    except LockedError as holder:
        raise StorageError(f"results folder {results} is in use by {holder}; wait for it, or give another") from None


@contextmanager
def _file(path: Path, what: str, kind: int = fcntl.LOCK_EX) -> Iterator[Fence]:
    with ExitStack() as opened:
        try:
            holder = _take(opened.enter_context(path.open("a+")), what, kind)
        except OSError as error:  # another user's file, or a file system without locks
            raise StorageError(f"{path} cannot be locked: {error.strerror}") from None
        if holder:
            raise LockedError(holder)
        yield OPEN


@contextmanager
def queue(path: Path, what: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a file for the block. While another process holds it, say so once and wait."""
    with path.open("a+") as file:
        if holder := _take(file, what):
            say(f"waiting for {holder}")
            fcntl.flock(file, fcntl.LOCK_EX)
            _sign(file, what)
        yield


def _take(file: TextIO, what: str, kind: int = fcntl.LOCK_EX) -> str:
    """Lock a file and sign it. Returns an empty string, or the signature of its holder."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
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
