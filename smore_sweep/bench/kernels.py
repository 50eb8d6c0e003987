"""Measure training steps with the fused kernels against the same steps with PyTorch's, in turns, on one CPU core."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from smore_sweep.bench.speed import Spread, build, rate
from smore_sweep.method import Method
from smore_sweep.stacked import fused

SIZES = ((128, 256), (256, 512))
"""Width of the hidden layers and batch size: of laptop sweeps, and the paper's."""
STACKS = (1, 10)
WORK = 20
"""Member-updates of a measurement, about."""


@dataclass(frozen=True)
class Gain:
    """Speed of one method's step by kernels.

    Attributes:
        rates: Member-updates per CPU-second with the kernels of this name.
        ratios: Ratio of this rate to that of PyTorch's kernels.
    """

    method: str
    hidden: int
    batch_size: int
    stack: int
    rates: dict[str, Spread]
    ratios: dict[str, Spread]


def measure_kernels(kinds: Sequence[type[Method]], rounds: int) -> Iterator[Gain]:
    """Measure the methods at every size and stack with each kind of kernels that this machine has."""
    import torch

    device, names = torch.device("cpu"), fused.available()
    for hidden, batch_size in SIZES:
        for stack in STACKS:
            for kind in kinds:
                update = build(kind(hidden=hidden), stack, batch_size, device).update
                rates: dict[str, list[float]] = {name: [] for name in names}
                for number in range(rounds + 1):
                    for name in names:
                        with _using(name):
                            measured = rate(update, max(1, WORK // stack), device) * stack
                        if number:  # the first round only warms up
                            rates[name].append(measured)
                yield Gain(
                    kind.name,
                    hidden,
                    batch_size,
                    stack,
                    {name: Spread(tuple(values)) for name, values in rates.items()},
                    {
                        name: Spread(tuple(a / b for a, b in zip(values, rates[fused.TORCH], strict=True)))
                        for name, values in rates.items()
                    },
                )


@contextmanager
def _using(kernels: str) -> Iterator[None]:
    before = os.environ.get(fused.SETTING)
    os.environ[fused.SETTING] = kernels
    try:
        yield
    finally:
        if before is None:
            del os.environ[fused.SETTING]
        else:
            os.environ[fused.SETTING] = before
