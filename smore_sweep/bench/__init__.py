"""``make bench``: how fast training is, and what the platform costs on top of it, as ratios measured in one run."""

from __future__ import annotations

import os
import subprocess
import sys

from smore_sweep.discovery import find_method
from smore_sweep.errors import UserError
from smore_sweep.training import device

PARTS = ("speed", "overhead", "memory", "packing")


def bench(batch_size: int, method: str | None, only: str | None = None) -> int:
    """Measure and print: all parts or one, with SMORe and GoFAR; or the training step of one method, or of ``all``.

    In a process of its own, because some of the settings act only when a process starts."""
    if batch_size < 1:
        raise UserError(f"batch size = {batch_size} is not valid; it must be a whole number of at least 1")
    if only not in (None, *PARTS):
        raise UserError(f"the benchmark has no part {only!r}; its parts are: {', '.join(PARTS)}")
    if method not in (None, "all"):
        find_method(method)
    what = ["--method", method] if method else [only] if only else PARTS
    command = [sys.executable, "-m", "smore_sweep.bench", str(batch_size), *what]
    return subprocess.run(command, env=os.environ | device.ENVIRONMENT, check=False).returncode
