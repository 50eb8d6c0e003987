"""Benchmarks (``make bench``): the speed of training and the overhead of the platform, as ratios from one run."""

from __future__ import annotations

import os
import subprocess
import sys

from smore_sweep.discovery import find_method
from smore_sweep.errors import UserError
from smore_sweep.training import device

PARTS = ("speed", "kernels", "overhead", "memory", "packing")


def bench(batch_size: int, method: str | None, only: str | None = None) -> int:
    """Measure and print, in a new process, because some settings act only when a process starts.

    Args:
        batch_size: Batch size of the training step.
        method: Measure only the training step of this method, or of ``all``.
        only: Measure only this part, instead of all of them, with SMORe and GoFAR.

    Returns:
        The exit code.
    """
    if batch_size < 1:
        raise UserError(f"batch size = {batch_size} is not valid; it must be a whole number of at least 1")
    if only not in (None, *PARTS):
        raise UserError(f"the benchmark has no part {only!r}; its parts are: {', '.join(PARTS)}")
    if method not in (None, "all"):
        find_method(method)
    arguments = ["--method", method] if method else [only] if only else PARTS
    command = [sys.executable, "-m", "smore_sweep.bench", str(batch_size), *arguments]
    return subprocess.run(command, env=os.environ | device.ENVIRONMENT, check=False).returncode
