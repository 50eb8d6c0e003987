"""Private scratch folders. The next process removes those of killed ones."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from smore_sweep.errors import StorageError

LOCK = "lock"
TRIES = 5
"""Attempts to remove a folder in which a process that is about to end may still write."""


@contextlib.contextmanager
def scratch_folder(base: Path | None = None) -> Iterator[Path]:
    """Yield a new folder that only this user can access, and remove it at the end.

    The folder ``smore_sweep-<user id>-<random>`` holds a lock for as long as its process lives. Folders of this user
    and machine whose lock is free are left by killed processes and are removed first. Those of other machines, which
    their lock's file names, stay: where the temporary folder is shared, a lock may hold on one machine only.

    Args:
        base: The folder to create it in; None for the system's temporary folder.

    Raises:
        StorageError: If the folder cannot be created.
    """
    try:
        base = base or Path(tempfile.gettempdir())
        remove_dead(base)
        folder, lock = _create(base)
    except OSError as error:
        where = base or "of this system"
        raise StorageError(f"temporary folder {where} cannot be written: {error.strerror or error}") from None
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(lock)


def remove_dead(base: Path) -> None:
    """Remove the scratch folders in ``base`` that killed processes of this user left."""
    for folder in base.glob(f"{_prefix()}*"):
        with contextlib.suppress(OSError):  # another process is faster
            if folder.is_symlink() or folder.lstat().st_uid != os.geteuid():
                continue
            lock = _open_lock(folder)
            try:
                if os.read(lock, len(_machine()) + 1) not in (b"", _machine()):
                    continue
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
            finally:
                os.close(lock)


def _create(base: Path) -> tuple[Path, int]:
    """Create a folder with mode 0700; return it and the descriptor that holds its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_prefix(), dir=base))
        with contextlib.suppress(FileNotFoundError):  # removed as dead before it was locked
            lock = _open_lock(folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.write(lock, _machine())
            if (folder / LOCK).exists():
                return folder, lock
            os.close(lock)


def _open_lock(folder: Path) -> int:
    return os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _remove(folder: Path) -> None:
    for _ in range(TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.2)


def _machine() -> bytes:
    return socket.gethostname().encode()


def _prefix() -> str:
    return f"smore_sweep-{os.geteuid()}-"
