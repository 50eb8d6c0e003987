"""``make bench``: how fast training is, and what the platform costs on top of it, as ratios measured in one run."""

from __future__ import annotations

import os
import subprocess
import sys

from smore_sweep import machine
from smore_sweep.catalogue import find_method
from smore_sweep.method import SpecError


def bench(batch_size: int, method: str | None) -> int:
    """Measure and print: the platform with SMORe and GoFAR, or the training step of one method, or of ``all``.

    In a process of its own, because some of the settings act only when a process starts."""
    if batch_size < 1:
        raise SpecError(f"batch size = {batch_size} is not valid; it must be a whole number of at least 1")
    if method not in (None, "all"):
        find_method(method)
    command = [sys.executable, "-m", "smore_sweep.bench", str(batch_size), *([method] if method else [])]
    return subprocess.run(command, env=os.environ | machine.ENVIRONMENT, check=False).returncode
