"""Locks of the operating system: one writer at a time.

A lock disappears with its process, however that ends. Object stores and some shared file systems, such as Lustre
mounted without them, have no locks; there a lease stands for one (:mod:`smore_sweep.storage.lease`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from smore_sweep.errors import LockedError, StorageError
from smore_sweep.storage import lease
from smore_sweep.storage.fence import OPEN, Fence
from smore_sweep.storage.paths import StoragePath

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""What a file system without locks answers."""


@contextmanager
def hold(results: StoragePath, what: str, say: Callable[[str], None]) -> Iterator[Fence]:
    """Hold the lock of the results for the block.

    Args:
        results: The results folder.
        what: The command that holds it, for messages of others.
        say: Receives a sentence if it takes a while to find out whether another holder is alive (leases only).

    Yields:
        The fence to check before each write.

    Raises:
        StorageError: Another process holds it; the message names that process.
    """
    try:
        path = results / "driver.lock"
        if isinstance(path, Path) and _has_locks(path):
            held = _file(path, what)
        else:
            held = lease.lease(_lease_of(path), _signature(what), say)
        with held as fence:
            yield fence
    except LockedError as holder:
        raise StorageError(
            f"results folder {results} is in use by {holder}; wait for it, or give another folder with RESULTS=..."
        ) from None


@contextmanager
def share(results: Path, what: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a folder beside others that share it, for the block. It excludes those that hold it alone, but
    without locks these do not notice who shares it.

    Raises:
        StorageError: Another process holds it alone; the message names that process.
    """
    path = results / "driver.lock"
    try:
        if _has_locks(path):
            with _file(path, what, fcntl.LOCK_SH):
                yield
        else:
            lease.refuse_if_held(_lease_of(path), say)
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
    if not _has_locks(path):
        with ExitStack() as held:
            _wait_for_lease(held, _lease_of(path), what, say)
            yield
        return
    with path.open("a+") as file:
        if holder := _take(file, what):
            say(f"waiting for {holder}")
            fcntl.flock(file, fcntl.LOCK_EX)
            _sign(file, what)
        yield


def _has_locks(path: Path) -> bool:
    """Return whether the file system has locks. What else is wrong with the file is found when it is locked."""
    try:
        with path.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in NO_LOCKS
    return True


def _lease_of(path: StoragePath) -> StoragePath:
    """Return the path of the lease that stands for a lock. In a folder the lock's own file is there already."""
    return path.with_suffix(".lease") if isinstance(path, Path) else path


def _wait_for_lease(held: ExitStack, path: StoragePath, what: str, say: Callable[[str], None]) -> None:
    """Enter a lease. While another process holds it, say so once and wait."""
    told = False
    while True:
        try:
            held.enter_context(lease.lease(path, _signature(what), say))
        except LockedError as holder:
            if not told:
                say(f"waiting for {holder}")
            told = True
            time.sleep(lease.BEAT)
        else:
            return


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
