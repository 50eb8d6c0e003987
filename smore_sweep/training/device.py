"""Settings that make a training process fast without changing its numbers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from smore_sweep.errors import ClusterError
from smore_sweep.stacked import fused

if TYPE_CHECKING:
    import torch

ENVIRONMENT = {
    # One thread per process: processes keep the cores busy, and nested threads collapse on a busy machine.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # glibc returns every temporary of some megabytes to the system and faults it in again; keep them instead.
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
    # Ask for huge pages, where Linux has them on "madvise": with small ones the activations, half a megabyte each, miss
    # the address cache all the time.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""Environment variables for worker processes; they act only if set before the process starts."""


def worker_environment() -> dict[str, str]:
    """Return the environment of workers on other machines: :data:`ENVIRONMENT`, and this process's kernels."""
    return ENVIRONMENT | {name: value for name, value in os.environ.items() if name == fused.SETTING}


def choose_device(gpu: bool) -> torch.device:
    """Return the GPU that this process was given, or the CPU.

    Raises:
        ClusterError: ``gpu`` is true and PyTorch cannot use one.
    """
    import torch  # late: the driver needs ENVIRONMENT and no torch

    if gpu and not torch.cuda.is_available():
        raise ClusterError(
            "a worker was given a GPU that its PyTorch cannot use; install a CUDA build and a driver, "
            "or give --gpus-per-stack 0"
        )
    return torch.device("cuda" if gpu else "cpu")


def prepare(device: torch.device) -> None:
    """Set up this process, and the calling thread, for training on ``device``, and for acting on a CPU beside it."""
    import torch

    # A number below 1e-38 costs a processor a hundred times as much. CRL's logits sink to where exp() gives such
    # numbers; its update took four times as long. The setting is the calling thread's, which has to train.
    torch.set_flush_denormal(True)
    torch.set_num_threads(1)
    if device.type == "cpu":
        _allow_fast_products()
    else:
        # Plain single precision: with TF32 or bfloat16 units a GPU's numbers would differ from a CPU's by more than
        # rounding.
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False  # convolutions have a switch of their own, and it is on by default
        # Some of cuDNN's gradients add up in an order that changes from call to call.
        torch.backends.cudnn.deterministic = True


def wait(device: torch.device) -> None:
    """Wait for the work that a GPU has been given; its calls return before it is done."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _allow_fast_products() -> None:
    """Let single-precision products take the 'medium' route where that keeps single precision.

    On AMD processors this selects oneDNN's AVX-512 kernels at twice the speed; on processors with bfloat16 units it
    loses digits. One product is therefore compared with double precision, and the setting is undone if the error is not
    float32's."""
    import torch

    before = torch.get_float32_matmul_precision()
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(512, 256, generator=generator)
    right = torch.randn(256, 256, generator=generator)
    exact = left.double() @ right.double()
    torch.set_float32_matmul_precision("medium")
    error = torch.linalg.norm((left @ right).double() - exact) / torch.linalg.norm(exact)
    if error > 1e-5:
        torch.set_float32_matmul_precision(before)
