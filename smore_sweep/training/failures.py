"""What an error of training says of the runs, and of the process."""

from __future__ import annotations

import traceback


def describe(error: Exception) -> str:
    """Return an error in one line, with what helps where memory of a GPU is short."""
    import torch

    line = "".join(traceback.format_exception_only(error)).splitlines()[0]
    if isinstance(error, torch.OutOfMemoryError):
        return f"{line.rstrip('.')}; give a smaller --stack-size, or more --gpus-per-stack"
    return line


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
