"""What an error of training says of the runs, and of the process."""

from __future__ import annotations

import gc
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def describe(error: Exception) -> str:
    """Return an error in one line, with what helps where memory of a GPU is short."""
    import torch

    line = "".join(traceback.format_exception_only(error)).splitlines()[0]
    if isinstance(error, torch.OutOfMemoryError):
        return f"{line.rstrip('.')}; give a smaller --stack-size, or more --gpus-per-stack"
    return line


def is_crowded(error: Exception, members: int) -> bool:
    """Return whether a GPU's memory was too short for a stack of so many members, of which fewer may fit."""
    import torch

    return members > 1 and isinstance(error, torch.OutOfMemoryError)


def free_memory(device: torch.device) -> None:
    """Give the memory of stacks that have ended back to a GPU, whose pieces may not fit another stack."""
    import torch

    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()


def still_works() -> bool:
    """Return whether this process can use its GPU after an error.

    Some errors, such as an illegal access or the end of NVIDIA's MPS, break a process's context for good: every later
    call raises, whatever it trains.
    """
    import torch

    try:
        torch.zeros((), device="cuda").item()
    except torch.OutOfMemoryError:
        return True
    except Exception:  # such as that of a PyTorch without CUDA
        return False
    return True
