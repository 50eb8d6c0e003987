"""Findings about versions, devices, memory and disk."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from smore_sweep.cores import usable_cores
from smore_sweep.doctor.findings import BAD, GOOD, NOTE, Finding
from smore_sweep.execution.processor import processor_name
from smore_sweep.execution.revision import git_revision
from smore_sweep.memory import total_memory, usable_memory
from smore_sweep.stacked import fused

PACKAGES = ("smore_sweep", "torch", "numpy", "ray", "mlflow", "mujoco", "gymnasium", "gymnasium-robotics", "minari")
ENOUGH_MEMORY, ENOUGH_DISK = 8.0, 20.0
"""GB that the sweeps of a laptop need with room to spare."""


def versions() -> Finding:
    """Return the versions of the packages on which results depend."""
    found = {"python": platform.python_version(), "git": git_revision(), "system": platform.platform()}
    missing = []
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            missing.append(package)
    if missing:
        return Finding("versions", BAD, f"not installed: {', '.join(missing)}", found)
    return Finding("versions", GOOD, f"Python {found['python']}, torch {found['torch']}, ray {found['ray']}", found)


def processor() -> Finding:
    """Return the processor and how many of its cores this process may use."""
    cores = usable_cores()
    load = os.getloadavg()[0]
    figures = {"name": processor_name(), "cores": cores, "load": load}
    busy = load > 0.5 * cores
    note = f"; busy (load {load:.1f}), so rates may come out low" if busy else ""
    return Finding("processor", NOTE if busy else GOOD, f"{cores} cores of {processor_name()}{note}", figures)


def kernels() -> Finding:
    """Return which kernels train on the CPU."""
    figures = {"chosen": fused.chosen(), "available": list(fused.available())}
    slower = fused.why_not()
    return Finding("CPU kernels", NOTE if slower else GOOD, slower or f"fused, {fused.chosen()}", figures)


def graphics() -> Finding:
    """Return the GPUs that PyTorch can use."""
    import torch

    if not torch.cuda.is_available():
        driver = shutil.which("nvidia-smi") is not None
        if driver:
            return Finding("GPU", BAD, f"the machine has nvidia-smi, but torch {torch.__version__} uses no GPU")
        return Finding("GPU", NOTE, "none; sweeps train on the CPU cores", {"count": 0})
    cards = []
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        cards.append({
            "name": properties.name, "memory_gb": properties.total_memory / 1e9,
            "capability": f"{properties.major}.{properties.minor}", "multiprocessors": properties.multi_processor_count,
        })  # fmt: skip
    figures = {"count": len(cards), "cards": cards, "cuda": torch.version.cuda}
    names = ", ".join(f"{card['name']} with {card['memory_gb']:.0f} GB" for card in cards)
    return Finding("GPU", GOOD, f"{names}; CUDA {torch.version.cuda}", figures)


def memory() -> Finding:
    """Return the machine's memory, of which a container may grant less."""
    total, usable = total_memory() / 1e9, usable_memory() / 1e9
    rating = GOOD if usable >= ENOUGH_MEMORY else NOTE
    return Finding("memory", rating, f"{usable:.0f} GB", {"total_gb": total, "usable_gb": usable})


def disk(folder: Path) -> Finding:
    """Return the free space of the folder for results."""
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    usage = shutil.disk_usage(existing)
    free = usage.free / 1e9
    rating = GOOD if free >= ENOUGH_DISK else NOTE
    return Finding("disk", rating, f"{free:.0f} GB free for results", {"free_gb": free, "total_gb": usage.total / 1e9})
