"""How much of its machine a training process uses, read from within."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

GPU_SECONDS = 10.0
"""How often a GPU is asked; it takes some tens of milliseconds."""


@dataclass(frozen=True)
class Gpu:
    """One GPU, whoever uses it: its id, the share of time in which it was busy, and its memory in GB."""

    name: str
    busy: float
    used: float
    total: float


@dataclass(frozen=True)
class Usage:
    """Of one process: where it runs, how many cores it keeps busy (all its threads; work of other processes does not
    count), and the GPU that it has."""

    host: str
    cores: float
    gpu: Gpu | None


class UsageMeter:
    """Measures this process from one look to the next."""

    def __init__(self, device: torch.device) -> None:
        self._uuid = ""
        if device.type == "cuda" and shutil.which("nvidia-smi"):
            import torch

            self._uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
        self._gpu: Gpu | None = None
        self._gpu_asked = -GPU_SECONDS
        self._looked, self._worked = time.perf_counter(), time.process_time()

    def look(self) -> Usage:
        """What was used since the last look."""
        now, worked = time.perf_counter(), time.process_time()
        cores = (worked - self._worked) / max(now - self._looked, 1e-9)
        self._looked, self._worked = now, worked
        if self._uuid and now - self._gpu_asked >= GPU_SECONDS:
            self._gpu, self._gpu_asked = _ask(self._uuid), now
        return Usage(socket.gethostname(), cores, self._gpu)


def _ask(uuid: str) -> Gpu | None:
    """What the driver's own tool says of a GPU, or None if it says nothing that can be read."""
    command = ["nvidia-smi", f"--id={uuid}", "--query-gpu=utilization.gpu,memory.used,memory.total"]
    try:
        said = subprocess.run(
            [*command, "--format=csv,noheader,nounits"], capture_output=True, text=True, check=True, timeout=5
        )
        busy, used, total = (float(number) for number in said.stdout.split(","))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Gpu(uuid, busy / 100, used / 1024, total / 1024)
