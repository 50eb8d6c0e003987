"""One writer at a time in an object store, which knows no locks: a lease that its holder keeps renewing.

The lease is an object that is created only if it is not there, which the store decides (S3: a conditional PUT). It
names its holder, and a thread of the holder writes it anew every :data:`BEAT` seconds. Who finds one watches it: if it
changes, its holder lives and the place is refused; if it stays the same for :data:`PATIENCE` seconds, its holder is
taken for dead and it is taken over. No time is ever written or compared, so wrong clocks do not matter. That a holder
on this very machine is dead, as after ``kill -9``, is seen at once.

A holder that was only held up (a suspended laptop, a network that was away) finds at its next beat that the lease is
another's, and ends. Until then both may write, which does no harm: objects are replaced whole, and a run's outcomes are
the same bits whoever trains it. For the same reason a store that ignores the condition is safe enough: two that start
in the same instant both get the lease, and one of them ends at its next beat.
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
from typing import TYPE_CHECKING, Any

from smore_sweep.errors import LockedError, StorageError
from smore_sweep.storage import paths

if TYPE_CHECKING:
    from upath import UPath

BEAT = 5.0
"""Seconds between two signs of life. A second driver is refused within this time."""
PATIENCE = 60.0
"""Seconds without a sign of life after which a holder is taken for dead."""


@contextmanager
def lease(path: UPath, who: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lease that this object is. While it is not clear whether its holder lives, say so and wait.

    Raises :class:`LockedError` if it is another's, also at the end if another has taken it over meanwhile."""
    mine = {"who": who, "machine": _machine(), "process": os.getpid(), "token": secrets.token_hex(8)}
    _acquire(path, mine, say)
    ended, lost = threading.Event(), threading.Event()
    keeper = threading.Thread(target=_keep, args=(path, mine, ended, lost), daemon=True, name="lease")
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()
        with suppress(StorageError):  # then it stays, and the next driver finds that we are dead
            found = _read(path)
            if not lost.is_set() and _is(found, mine):
                paths.remove(path)
        if lost.is_set():
            raise LockedError(f"{_who(found)}, which took it over when nothing had been heard of this one for a while")


def _acquire(path: UPath, mine: dict[str, Any], say: Callable[[str], None]) -> None:
    while True:
        found = _read(path)
        if found is None:
            if paths.create_exclusive(path, _text(mine, 0)):
                return
        elif (_is_dead(found) or _watch(path, found, say)) and _read(path) == found:  # and nobody was faster
            paths.remove(path)


def _watch(path: UPath, found: bytes, say: Callable[[str], None]) -> bool:
    """Whether the holder gives no sign of life. Returns False at once if the lease is given back, and raises
    :class:`LockedError` if it is renewed."""
    started = time.monotonic()
    said = False
    while (waited := time.monotonic() - started) < PATIENCE:
        time.sleep(BEAT / 4)
        now = _read(path)
        if now is None:
            return False
        if now != found:
            raise LockedError(_who(now))
        if waited > 2 * BEAT and not said:
            said = True
            say(f"no sign of life of {_who(found)}; if there is none for {PATIENCE:.0f} s, its lock is taken over")
    return True


def _keep(path: UPath, mine: dict[str, Any], ended: threading.Event, lost: threading.Event) -> None:
    """Renew the lease until the end; if it is another's by now, end this process as SIGTERM does."""
    beat = 0
    while not ended.wait(BEAT):
        beat += 1
        with suppress(StorageError):  # the store is away: try again at the next beat
            found = _read(path)
            if found is None:  # somebody is taking it over, or has removed it: only one of us can create it
                paths.create_exclusive(path, _text(mine, beat))
            elif _is(found, mine):
                paths.write(path, _text(mine, beat))
            else:
                lost.set()
                os.kill(os.getpid(), signal.SIGTERM)
                return


def _read(path: UPath) -> bytes | None:
    try:
        return paths.read(path)
    except FileNotFoundError:
        return None


def _text(mine: dict[str, Any], beat: int) -> bytes:
    return json.dumps({**mine, "beat": beat}).encode()


def _parse(found: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(found)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _who(found: bytes | None) -> str:
    return str(_parse(found or b"").get("who", "another process"))


def _is(found: bytes | None, mine: dict[str, Any]) -> bool:
    return bool(_parse(found or b"").get("token") == mine["token"])


def _is_dead(found: bytes) -> bool:
    """Whether the holder was a process of this machine, and is no more."""
    holder = _parse(found)
    if not holder.get("machine") or holder["machine"] != _machine():
        return False
    return not Path(f"/proc/{holder['process']}").exists()


def _machine() -> str:
    """This boot of this machine and, as containers have their own, this space of process numbers; "" where the system
    does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()} {boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""
