"""Passes of stacked encoders, in PyTorch's kernels and its autograd.

On a CPU they run member by member, so a member's numbers are bitwise the same in a stack of any size. On a GPU all
members are the groups of one convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from smore_sweep.stacked.encoder_spec import Convolution, EncoderSpec
    from smore_sweep.stacked.networks import Network
    from smore_sweep.stacked.passes import Leaves


def forward(net: Network, spec: EncoderSpec, parameters: Leaves, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return features ``[stack, B, outputs]``, differentiable with respect to parameters and inputs.

    Args:
        net: the stack.
        spec: what it declares.
        parameters: its leaves by block.
        inputs: images ``[M, B, height * width * channels]`` from 0 to 1, ``spec.images`` of them.
    """
    pictures = [x.view(*x.shape[:2], *spec.image) for x in inputs]
    if spec.copies > 1:
        pictures = [each.repeat(spec.copies, 1, 1, 1, 1) for each in pictures]
    parts = [
        _encode(spec, [each[block] for each in pictures], leaves)
        for block, leaves in zip(net.blocks, parameters, strict=True)
    ]
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _encode(spec: EncoderSpec, images: Sequence[torch.Tensor], leaves: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the features ``[members, B, outputs]`` of images ``[members, B, height, width, channels]``, whose channels
    are joined; of the last layer's rows, columns and channels, in this order."""
    if len(images[0]) == 1:
        return _encode_one(spec, [each[0] for each in images], {name: leaf[0] for name, leaf in leaves.items()})[None]
    return _encode_groups(spec, images, leaves)


def _encode_one(spec: EncoderSpec, images: Sequence[torch.Tensor], leaves: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return one member's features ``[B, outputs]`` of images ``[B, height, width, channels]``.

    Channels stay last in memory, as images have them: a CPU's kernels for this order are up to three times as fast. The
    first convolution is a sum over images, which need not be joined then.
    """
    first, *others = spec.layers
    parts = [
        _convolved(each, weight, leaves["b0"] if number == 0 else None, first)
        for number, (each, weight) in enumerate(zip(images, leaves["w0"].chunk(len(images), 1), strict=True))
    ]
    h = _activated(sum(parts[1:], start=parts[0]), leaves, 0)
    for i, layer in enumerate(others, 1):
        h = _activated(_convolved(h, leaves[f"w{i}"], leaves[f"b{i}"], layer), leaves, i)
    return h.flatten(1)


def _convolved(h: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, layer: Convolution) -> torch.Tensor:
    """Convolve ``[B, height, width, channels]``."""
    outputs = torch.nn.functional.conv2d(h.permute(0, 3, 1, 2), weight, bias, layer.stride, layer.padding)
    return outputs.permute(0, 2, 3, 1)


def _activated(h: torch.Tensor, leaves: dict[str, torch.Tensor], i: int) -> torch.Tensor:
    """Normalise layer ``i``'s rows, columns and channels ``[B, height, width, channels]`` together, and apply ReLU."""
    scale, shift = (leaves[f"{name}{i}"].permute(1, 2, 0).contiguous() for name in ("scale", "shift"))
    return torch.nn.functional.layer_norm(h, scale.shape, scale, shift).relu_()


def _encode_groups(spec: EncoderSpec, images: Sequence[torch.Tensor], leaves: dict[str, torch.Tensor]) -> torch.Tensor:
    """:func:`_encode` of several members, which are the groups of a convolution of ``[B, members * channels, height,
    width]``."""
    members, rows, height, width, _ = images[0].shape
    h = torch.cat([each.permute(1, 0, 4, 2, 3) for each in images], 2).view(rows, -1, height, width)
    for i, layer in enumerate(spec.layers):
        weight, bias = leaves[f"w{i}"].flatten(0, 1), leaves[f"b{i}"].flatten()
        h = torch.nn.functional.conv2d(h, weight, bias, layer.stride, layer.padding, groups=members)
        grouped = h.view(rows, members, layer.channels, *h.shape[2:])
        normalised = torch.nn.functional.layer_norm(grouped, grouped.shape[2:])
        grouped = torch.addcmul(leaves[f"shift{i}"], normalised, leaves[f"scale{i}"]).relu_()
        h = grouped.flatten(1, 2)
    return grouped.permute(1, 0, 3, 4, 2).flatten(2)
