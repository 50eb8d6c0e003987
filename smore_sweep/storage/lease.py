"""A lease that its holder keeps renewing: one writer at a time where there are no locks.

That is an object store, or a file system that several machines share, on many of which locks hold on one machine only.
The lease is an object that the store creates only if it does not exist (S3: a conditional PUT; a file: a hard link). It
names its holder,
and a thread of the holder rewrites it every :data:`BEAT` seconds. Another process that finds a lease watches it: if it
changes, the holder is alive and the process is refused; if it stays the same for :data:`PATIENCE` seconds, the holder
counts as dead and the process takes the lease over. No time is written or compared, so wrong clocks do not matter. A
dead holder on the same machine, as after ``kill -9``, is recognised at once.

A holder that was only delayed (a suspended laptop, a network failure) finds at its next beat that another process has
the lease, and ends. Until that beat a fence (:mod:`smore_sweep.storage.fence`) holds back its writes. A write that was
under way when the holder was paused does no harm: objects are replaced as a whole, and a run's outcomes are the same
bits whoever trains it. A store that ignores the condition is safe for the same reason: of two processes that start in
the same instant, both get the lease, and one of them ends at its next beat.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from smore_sweep.errors import LockedError, StorageError
from smore_sweep.storage import paths
from smore_sweep.storage.fence import Fence, since_boot
from smore_sweep.storage.paths import StoragePath
from smore_sweep.storage.scratch import scratch_folder

BEAT = 5.0
"""Seconds between two renewals. A second driver is refused within this time."""
PATIENCE = 60.0
"""Seconds without a renewal after which a holder counts as dead."""


@contextmanager
def lease(path: StoragePath, who: str, say: Callable[[str], None]) -> Iterator[Fence]:
    """Hold a lease for the block.

    Args:
        path: The lease's object.
        who: Name of this process, for messages of others.
        say: Receives a sentence if it takes a while to find out whether another holder is alive.

    Yields:
        The fence to check before each write.

    Raises:
        LockedError: Another process holds the lease or, at the end of the block, has taken it over meanwhile.
    """
    mine = {"who": who, "machine": _machine(), "process": os.getpid(), "token": secrets.token_hex(8)}
    ended, lost = threading.Event(), threading.Event()
    with scratch_folder() as folder:
        fence = Fence(folder / "lease", PATIENCE - BEAT)
        fence.renew(_acquire(path, mine, say))
        keeper = threading.Thread(target=_keep, args=(path, mine, ended, lost, fence), daemon=True, name="lease")
        keeper.start()
        try:
            yield fence
        finally:
            _release(path, mine, keeper, ended, lost)


def refuse_if_held(path: StoragePath, say: Callable[[str], None]) -> None:
    """Raise :class:`LockedError` if a process that lives holds the lease; see :func:`lease`."""
    content = read(path)
    if content is not None and not is_dead(content):
        _watch(path, content, say)


def revoke(path: StoragePath, who: str) -> bool:
    """Take a lease from a holder that counts as dead, for good: if it still lives, it ends at its next beat.

    Returns:
        False if the holder renews the lease at this moment.
    """
    try:
        paths.write(path, json.dumps({"who": who, "revoked": True}).encode())
    except FileNotFoundError:  # the renewal removed the unfinished file
        return False
    return True


def _release(
    path: StoragePath, mine: dict[str, Any], keeper: threading.Thread, ended: threading.Event, lost: threading.Event
) -> None:
    """End the renewals and remove the lease.

    Raises:
        LockedError: Another process has taken it over.
    """
    ended.set()
    keeper.join()
    content = None
    with suppress(StorageError):  # the lease stays, and the next driver finds this process dead
        content = read(path)
        if content is not None and not _is(content, mine):
            lost.set()
        elif not lost.is_set():
            paths.remove(path)
    if lost.is_set():
        raise LockedError(f"{_who(content)}, which took it over when nothing had been heard of this one for a while")


def _acquire(path: StoragePath, mine: dict[str, Any], say: Callable[[str], None]) -> float:
    """Acquire the lease; return when its creation started."""
    while True:
        started = since_boot()
        content = read(path)
        if content is None:
            if paths.create_exclusive(path, _text(mine, 0)):
                return started
        elif (is_dead(content) or _watch(path, content, say)) and read(path) == content:  # nobody else was faster
            paths.remove(path)


def _watch(path: StoragePath, content: bytes, say: Callable[[str], None]) -> bool:
    """Return True after ``PATIENCE`` seconds without a renewal, or False as soon as the lease is given back.

    Raises:
        LockedError: The holder has renewed the lease.
    """
    started = time.monotonic()
    announced = False
    while (waited := time.monotonic() - started) < PATIENCE:
        time.sleep(BEAT / 4)
        now = read(path)
        if now is None:
            return False
        if now != content:
            raise LockedError(_who(now))
        if waited > 2 * BEAT and not announced:
            announced = True
            say(f"no sign of life of {_who(content)}; if there is none for {PATIENCE:.0f} s, its lock is taken over")
    return True


def _keep(path: StoragePath, mine: dict[str, Any], ended: threading.Event, lost: threading.Event, fence: Fence) -> None:
    """Renew the lease until the end, whatever fails. If another process has taken it over, nothing more is
    written, and this one is ended by SIGTERM if it handles that."""
    beat = 0
    while not ended.wait(BEAT):
        beat += 1
        with suppress(Exception):  # the store cannot be reached, for example: try again at the next beat
            if holder := _renew(path, mine, beat, fence):
                lost.set()
                with suppress(OSError):
                    fence.close(holder)
                # Who no longer handles it is on the way out, and would be killed before it has said why.
                if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
                    os.kill(os.getpid(), signal.SIGTERM)
                return


def _renew(path: StoragePath, mine: dict[str, Any], beat: int, fence: Fence) -> str:
    """Renew the lease. Returns an empty string, or the name of another process that holds it."""
    started = since_boot()
    content = read(path)
    if content is not None and not _is(content, mine):
        return _who(content)
    if since_boot() - started > BEAT:  # paused meanwhile: what was read may be old
        return ""
    if content is not None:
        paths.write(path, _text(mine, beat))
    elif not paths.create_exclusive(path, _text(mine, beat)):  # removed: only one process can create it
        return ""
    fence.renew(started)
    return ""


def read(path: StoragePath) -> bytes | None:
    """Return a lease's content, which every renewal changes, or None if there is none."""
    try:
        return paths.read(path)
    except FileNotFoundError:
        return None


def _text(mine: dict[str, Any], beat: int) -> bytes:
    return json.dumps({**mine, "beat": beat}).encode()


def _parse(content: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(content)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _who(content: bytes | None) -> str:
    return str(_parse(content or b"").get("who", "another process"))


def _is(content: bytes | None, mine: dict[str, Any]) -> bool:
    return bool(_parse(content or b"").get("token") == mine["token"])


def is_dead(content: bytes) -> bool:
    """Return whether a lease is revoked, or its holder was a process of this machine that has ended."""
    holder = _parse(content)
    if holder.get("revoked"):
        return True
    if not holder.get("machine") or holder["machine"] != _machine():
        return False
    return not Path(f"/proc/{holder['process']}").exists()


def _machine() -> str:
    """Identify this boot of this machine and, because containers have their own, this process namespace.

    Returns an empty string where the system does not tell.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()} {boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""
