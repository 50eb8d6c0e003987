"""Measure how much of its machine this process may use, and how much it does."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

GPU_SECONDS = 10.0
"""Seconds between two queries of a GPU, each of which takes some tens of milliseconds."""


@dataclass(frozen=True)
class Gpu:
    """Load of one GPU by all its users: id, share of time busy, and memory used and in total (GB)."""

    name: str
    busy: float
    used: float
    total: float


@dataclass(frozen=True)
class Usage:
    """Use of a machine by one process: host, number of cores that its threads keep busy, and its GPU."""

    host: str
    cores: float
    gpu: Gpu | None


def usable_gpus() -> list[str]:
    """Return the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name.strip() not in ("", "-1", "NoDevFiles")]
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(index) for index, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU")]


class UsageMeter:
    """Measures this process between two calls of :meth:`look`."""

    def __init__(self, device: torch.device) -> None:
        self._uuid = ""
        if device.type == "cuda" and shutil.which("nvidia-smi"):
            import torch

            self._uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
        self._gpu: Gpu | None = None
        self._gpu_queried = -GPU_SECONDS
        self._looked, self._worked = time.perf_counter(), time.process_time()

    def look(self) -> Usage:
        """Return the use since the last call."""
        now, worked = time.perf_counter(), time.process_time()
        cores = (worked - self._worked) / max(now - self._looked, 1e-9)
        self._looked, self._worked = now, worked
        if self._uuid and now - self._gpu_queried >= GPU_SECONDS:
            self._gpu, self._gpu_queried = _query(self._uuid), now
        return Usage(socket.gethostname(), cores, self._gpu)


def _query(uuid: str) -> Gpu | None:
    """Query a GPU with nvidia-smi. Returns None if its output cannot be read."""
    command = ["nvidia-smi", f"--id={uuid}", "--query-gpu=utilization.gpu,memory.used,memory.total"]
    try:
        process = subprocess.run(
            [*command, "--format=csv,noheader,nounits"], capture_output=True, text=True, check=True, timeout=5
        )
        busy, used, total = (float(number) for number in process.stdout.split(","))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Gpu(uuid, busy / 100, used / 1024, total / 1024)
