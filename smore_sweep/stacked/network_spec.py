"""Declarations of networks, without torch: shapes of parameters and floating-point operations."""

from __future__ import annotations

import itertools
from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkSpec:
    """An MLP. ``copies`` independent ones are trained side by side. With a ``target_rate`` a slow copy is kept, which
    moves by that share towards the trained parameters once per ``target_period`` updates.

    ``init``: "orthogonal" (gain sqrt 2 on every layer, the JAX family) or "xavier" (uniform, gain 1, the GoFAR family);
    biases start at 0. ``log_std``: adds a state-independent log standard deviation of that size (Gaussian policies).
    ``cosine_decay``: the learning rate falls to 0 over the run.
    """

    inputs: int
    outputs: int
    hidden: tuple[int, ...]
    learning_rate: float
    copies: int = 1
    layer_norm: bool = False
    activation: str = "relu"
    init: str = "orthogonal"
    target_rate: float = 0.0
    target_period: int = 1
    log_std: int = 0
    cosine_decay: bool = False

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Leaf name to shape, without the leading dimension."""
        shapes: dict[str, tuple[int, ...]] = {}
        widths = (self.inputs, *self.hidden, self.outputs)
        for i, (before, after) in enumerate(itertools.pairwise(widths)):
            shapes[f"w{i}"] = (before, after)
            shapes[f"b{i}"] = (1, after)
            if self.layer_norm and i < len(self.hidden):
                shapes[f"scale{i}"] = (1, after)
                shapes[f"shift{i}"] = (1, after)
        if self.log_std:
            shapes["log_std"] = (1, self.log_std)
        return shapes

    def flops(self, rows: int) -> int:
        """Multiply-adds x 2 of one forward pass over ``rows`` inputs of one member."""
        widths = (self.inputs, *self.hidden, self.outputs)
        return 2 * rows * self.copies * sum(a * b for a, b in itertools.pairwise(widths))
