"""Declarations of convolutional encoders: the shapes of their parameters and their cost. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from smore_sweep.stacked.network_spec import TrainingSpec


class Convolution(NamedTuple):
    """A layer: its output channels, the side of its square kernel, its stride, and the zeros around its input."""

    channels: int
    kernel: int
    stride: int
    padding: int


@dataclass(frozen=True)
class EncoderSpec(TrainingSpec):
    """An encoder of images: convolutions, each followed by LayerNorm and ReLU, flattened at the end.

    Attributes:
        image: height, width and channels of an image.
        layers: the convolutions.
        learning_rate: Adam's.
        images: images of an input, which are stacked as channels (2 for a policy of state and goal).

    LayerNorm is over channels, rows and columns together, with a scale and a shift for each number. Initial weights are
    Xavier-uniform with ReLU's gain, sqrt 2, biases 0.
    """

    image: tuple[int, ...]
    layers: tuple[Convolution, ...]
    learning_rate: float
    images: int = 1

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
