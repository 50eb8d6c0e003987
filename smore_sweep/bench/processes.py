"""Memory and processor time of the processes below this one, as Linux tells them in ``/proc``."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

WORKER = "ray::ImplicitFunc"
"""How Ray names the processes that train."""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Bytes. ``resident``: all pages that the process has in memory; ``proportional``: the same, but a page that
    several processes share counts in parts; ``own``: pages of no file and no shared memory."""

    resident: int
    proportional: int
    own: int


def memory(pid: int | str = "self") -> Memory:
    """Of a process now."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return Memory(*(kilobytes[name] * 1024 for name in ("Rss", "Pss", "Anonymous")))


def workers(root: int | None = None) -> list[int]:
    """Process ids of those below a process, by default this one, that train."""
    return [pid for pid in below(root) if _name(pid).startswith(WORKER)]


def below(root: int | None = None) -> list[int]:
    """A process, by default this one, and all below it."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            parents[int(folder.name)] = int(_fields(int(folder.name))[1])
    found = {root or os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found)


def processor_seconds() -> tuple[float, float]:
    """Used so far by the processes below this one that train, and by this one and all others."""
    training = others = 0.0
    for pid in below():
        with suppress(OSError):
            seconds = sum(int(field) for field in _fields(pid)[11:13]) / TICKS
            if _name(pid).startswith(WORKER):
                training += seconds
            else:
                others += seconds
    return training, others


def _fields(pid: int) -> list[str]:
    """Those of ``/proc/<pid>/stat`` after the name, which may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""
