"""Cores of this machine."""

from __future__ import annotations

import math
import os
from pathlib import Path

GRANT = Path("/sys/fs/cgroup/cpu.max")
"""Where Linux says for how many of how many microseconds a container may use a core: ``200000 100000``, or ``max``."""


def usable_cores() -> int:
    """Return the number of cores that this process may use: those of its affinity, or fewer where its container or
    SLURM grants fewer. A part of a core counts as one."""
    counts = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    quota, _, period = GRANT.read_text().strip().partition(" ") if GRANT.exists() else ("max", "", "")
    if quota.isdecimal() and period.isdecimal():
        counts.append(max(1, math.ceil(int(quota) / int(period))))
    granted = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if granted.isdecimal() and int(granted):
        counts.append(int(granted))
    return min(counts)
