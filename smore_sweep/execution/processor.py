"""Facts about this machine on which the bits of results may depend: its processor, and the kernels in use."""

from __future__ import annotations

import platform
import re
from functools import cache
from pathlib import Path

from smore_sweep.stacked import fused


@cache
def processor_name() -> str:
    """Return the processor's name as Linux gives it, else as Python knows it, else "unknown"."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return name[1].strip() if name else platform.processor() or platform.machine() or "unknown"


def machine_facts(gpu: bool) -> dict[str, str]:
    """Return the facts for a record: ``cpu``, and ``kernels``, which are "cuda", or on a CPU "fused" or "torch"."""
    return {"cpu": processor_name(), "kernels": "cuda" if gpu else fused.path()}
