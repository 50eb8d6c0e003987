"""Count the floating-point operations of matrix products as they happen, in PyTorch and in the fused kernels."""

from __future__ import annotations

from collections.abc import Callable

from torch.utils.flop_counter import FlopCounterMode

from smore_sweep.stacked import fused


def count_flops(call: Callable[[], object]) -> int:
    """Return the operations of the products that ``call`` makes in this thread, 2 per multiply-add."""
    kernels = fused.kernels()
    before = kernels.operations() if kernels else 0
    with FlopCounterMode(display=False) as counter:
        call()
    compiled = kernels.operations() - before if kernels else 0
    return int(counter.get_total_flops()) + compiled
