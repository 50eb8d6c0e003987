"""Declarations of convolutional encoders: the shapes of their parameters and their cost. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple


class Convolution(NamedTuple):
    """A layer: its output channels, the side of its square kernel, its stride, and the zeros around its input."""

    channels: int
    kernel: int
    stride: int
    padding: int


@dataclass(frozen=True)
class EncoderSpec:
    """An encoder of images: convolutions, each followed by LayerNorm and ReLU, flattened at the end.

    Attributes:
        image: height, width and channels of an image.
        layers: the convolutions.
        learning_rate: Adam's.
        images: images of an input, which are stacked as channels (2 for a policy of state and goal).
        copies: independent encoders that are trained side by side.
        layer_norm: whether channels, rows and columns are normalised together, with a scale and shift for each number.
        layer_norm_epsilon: PyTorch's default.
        target_rate: share by which a slow copy moves towards the trained parameters; at 0 there is no slow copy.
        target_period: updates between two of these moves.
        cosine_decay: whether the learning rate falls to 0 over the run.

    Initial weights are Xavier-uniform with ReLU's gain, sqrt 2, biases 0.
    """

    image: tuple[int, ...]
    layers: tuple[Convolution, ...]
    learning_rate: float
    images: int = 1
    copies: int = 1
    layer_norm: bool = True
    layer_norm_epsilon: float = 1e-5
    target_rate: float = 0.0
    target_period: int = 1
    cosine_decay: bool = False
    begins: ClassVar[float] = 0.0
    ends: ClassVar[float] = 1.0
    """An encoder is trained in all of the run."""

    @property
    def scheduled(self) -> bool:
        """Whether its training depends on the length of the run."""
        return self.cosine_decay

    @property
    def inputs(self) -> int:
        """Size of an input, all images together."""
        return self.images * math.prod(self.image)

    @property
    def outputs(self) -> int:
        """Number of features."""
        *_, (_, after) = self._sizes()
        return math.prod(after)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every leaf by name, without the leading dimension."""
        shapes: dict[str, tuple[int, ...]] = {}
        for i, (layer, (before, after)) in enumerate(zip(self.layers, self._sizes(), strict=True)):
            shapes[f"w{i}"] = (layer.channels, before[0], layer.kernel, layer.kernel)
            shapes[f"b{i}"] = (layer.channels,)
            if self.layer_norm:
                shapes[f"scale{i}"] = shapes[f"shift{i}"] = after
        return shapes

    def flops(self, rows: int) -> int:
        """Return the operations (2 per multiply-add) of one member's forward pass over ``rows`` inputs."""
        products = (
            math.prod(after) * before[0] * layer.kernel**2
            for layer, (before, after) in zip(self.layers, self._sizes(), strict=True)
        )
        return 2 * rows * self.copies * sum(products)

    def _sizes(self) -> Iterator[tuple[tuple[int, int, int], tuple[int, int, int]]]:
        """Yield channels, height and width before and after each layer."""
        height, width, channels = self.image
        before = (self.images * channels, height, width)
        for layer in self.layers:
            height, width = ((n + 2 * layer.padding - layer.kernel) // layer.stride + 1 for n in before[1:])
            after = (layer.channels, height, width)
            yield before, after
            before = after
