"""A transformer without mask over sets of vectors, made of stacked networks.

A layer is ``x <- x + A(N(x))``, then ``x <- x + F(N(x))``, where ``A`` is attention with two heads, ``F`` an MLP with a
hidden layer of 256 and GELU, and ``N`` subtracts a vector's mean and divides by its deviation. The last layer's
vectors pass ``N`` once more. ``N`` has no scale and shift, as the linear map that follows it has its own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from smore_sweep import NetworkSpec
from smore_sweep.stacked.products import matmul

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks

LAYERS, HEADS, HIDDEN = 2, 2, 256
EPSILON = 1e-6
"""Of a vector's variance, flax's default."""


def transformer_networks(width: int, learning_rate: float, *, ends: float) -> dict[str, NetworkSpec]:
    """Return the networks by name: of each layer queries, keys and values, the map of the heads' sums, and the MLP."""
    inside = HEADS * -(-width // HEADS)

    def net(inputs: int, outputs: int, hidden: tuple[int, ...] = ()) -> NetworkSpec:
        return NetworkSpec(inputs, outputs, hidden, learning_rate, activation="gelu", init="xavier", ends=ends)

    return {
        name: spec
        for layer in range(LAYERS)
        for name, spec in (
            (f"heads{layer}", net(width, 3 * inside)),
            (f"merge{layer}", net(inside, width)),
            (f"mlp{layer}", net(width, width, (HIDDEN,))),
        )
    }


def attention_flops(width: int, sets: int, members: int) -> int:
    """Return the operations of a forward pass beside the networks', for sets of so many vectors."""
    return LAYERS * 2 * 2 * sets * members**2 * HEADS * -(-width // HEADS)


def transform(nets: Networks, vectors: torch.Tensor) -> torch.Tensor:
    """Transform sets of vectors ``[M, B, P, width]``; the order within a set does not matter."""
    shape = vectors.shape
    x = vectors.flatten(1, 2)
    for layer in range(LAYERS):
        heads = nets[f"heads{layer}"](_normalised(x))
        # [3, M, B, heads, P, size]
        queries, keys, values = heads.view(*shape[:3], 3, HEADS, -1).permute(3, 0, 1, 4, 2, 5)
        scores = matmul(queries, keys.transpose(-1, -2)) / math.sqrt(queries.shape[-1])
        sums = matmul(scores.softmax(-1), values).transpose(2, 3).reshape(*x.shape[:2], -1)
        x = x + nets[f"merge{layer}"](sums)
        x = x + nets[f"mlp{layer}"](_normalised(x))
    return _normalised(x).view(shape)


def _normalised(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.layer_norm(x, x.shape[-1:], eps=EPSILON)
