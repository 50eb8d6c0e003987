"""Memory of this machine."""

from __future__ import annotations

import os
from pathlib import Path

GRANT = Path("/sys/fs/cgroup/memory.max")
"""Where Linux says how many bytes a container may use, or ``max``."""


def total_memory() -> int:
    """Return the machine's bytes of memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def usable_memory() -> int:
    """Return the bytes that this process may use: the machine's, or what its container grants if that is less."""
    granted = GRANT.read_text().strip() if GRANT.exists() else "max"
    return min(total_memory(), int(granted)) if granted.isdigit() else total_memory()
