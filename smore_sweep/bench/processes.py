"""Memory and processor time of this process's descendants, from Linux's ``/proc``."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

WORKER = "ray::ImplicitFunc"
"""Ray's name for the training processes."""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Memory of a process, in bytes.

    Attributes:
        resident: All its pages in memory.
        proportional: The same, with shared pages divided by the number of processes that share them.
        own: Pages of no file and no shared memory.
    """

    resident: int
    proportional: int
    own: int


def memory(pid: int | str = "self") -> Memory:
    """Return the present memory of a process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return Memory(*(kilobytes[name] * 1024 for name in ("Rss", "Pss", "Anonymous")))


def workers(root: int | None = None) -> list[int]:
    """Return the ids of the training processes below a process, by default this one."""
    return [pid for pid in below(root) if _name(pid).startswith(WORKER)]


def below(root: int | None = None) -> list[int]:
    """Return the ids of a process, by default this one, and of all its descendants."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            parents[int(folder.name)] = int(_fields(int(folder.name))[1])
    family = {root or os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return sorted(family)


def processor_seconds() -> tuple[float, float]:
    """Return the processor seconds so far of the training processes, and of this and all other processes."""
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
    """Return the fields of ``/proc/<pid>/stat`` after the name, which may hold any character."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""
