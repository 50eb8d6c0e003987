"""Declarations of networks: the shapes of their parameters and their cost. Standard library only."""

from __future__ import annotations

import itertools
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """How a network of any kind is trained.

    Attributes:
        copies: independent networks that are trained side by side (2 for twin critics).
        target_rate: share by which a slow copy moves towards the trained parameters; at 0 there is no slow copy.
        target_period: updates between two of these moves.
        cosine_decay: whether the learning rate falls to 0 over the run.
        begins: share of the run's updates before which it stands still, as it starts.
        ends: share of the run's updates after which it stands still, as it is then.
    """

    copies: int = 1
    target_rate: float = 0.0
    target_period: int = 1
    cosine_decay: bool = False
    begins: float = 0.0
    ends: float = 1.0

    @property
    def takes_turns(self) -> bool:
        """Whether it stands still in a part of the run."""
        return self.begins > 0.0 or self.ends < 1.0

    @property
    def scheduled(self) -> bool:
        """Whether its training depends on the length of the run."""
        return self.cosine_decay or self.takes_turns


@dataclass(frozen=True)
class NetworkSpec(TrainingSpec):
    """An MLP or, without inputs and hidden layers, a trained vector that starts at 0.

    Attributes:
        inputs: size of an input; 0 for a vector.
        outputs: size of an output.
        hidden: widths of the hidden layers.
        learning_rate: Adam's.
        layer_norm: whether hidden layers are normalised.
        layer_norm_after: whether this is after their activation and not before it.
        layer_norm_epsilon: PyTorch's default; flax has 1e-6.
        activation: "relu", "tanh" or "gelu" (in its tanh approximation, flax's default).
        init: "orthogonal" (gain sqrt 2 on every layer, the JAX family), "xavier" (uniform, gain 1, the GoFAR family) or
            "xavier_relu" (uniform, gain sqrt 2); biases start at 0.
        last_scale: factor of the last layer's initial weights.
        log_std: size of a state-independent log standard deviation (Gaussian policies); at 0 there is none.
    """

    inputs: int
    outputs: int
    hidden: tuple[int, ...]
    learning_rate: float
    layer_norm: bool = False
    layer_norm_after: bool = False
    layer_norm_epsilon: float = 1e-5
    activation: str = "relu"
    init: str = "orthogonal"
    last_scale: float = 1.0
    log_std: int = 0

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every leaf by name, without the leading dimension."""
        shapes: dict[str, tuple[int, ...]] = {}
        widths = (self.inputs, *self.hidden, self.outputs)
        for i, (before, after) in enumerate(itertools.pairwise(widths)):
            if before:
                shapes[f"w{i}"] = (before, after)
            shapes[f"b{i}"] = (1, after)
            if self.layer_norm and i < len(self.hidden):
                shapes[f"scale{i}"] = (1, after)
                shapes[f"shift{i}"] = (1, after)
        if self.log_std:
            shapes["log_std"] = (1, self.log_std)
        return shapes

    def flops(self, rows: int) -> int:
        """Return the operations (2 per multiply-add) of one member's forward pass over ``rows`` inputs."""
        widths = (self.inputs, *self.hidden, self.outputs)
        return 2 * rows * self.copies * sum(a * b for a, b in itertools.pairwise(widths))
