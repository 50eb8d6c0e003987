"""Passes of stacked encoders, in PyTorch's kernels and its autograd.

On a CPU they run member by member, so a member's numbers are bitwise the same in a stack of any size. On a GPU all
members are the groups of one convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from smore_sweep.stacked.encoder_spec import EncoderSpec
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
    are joined.

    Members are the groups of a convolution of ``[B, members * channels, height, width]``.
    """
    members, rows, height, width, _ = images[0].shape
    h = torch.cat([each.permute(1, 0, 4, 2, 3) for each in images], 2).view(rows, -1, height, width)
    for i, layer in enumerate(spec.layers):
        weight, bias = leaves[f"w{i}"].flatten(0, 1), leaves[f"b{i}"].flatten()
        h = torch.nn.functional.conv2d(h, weight, bias, layer.stride, layer.padding, groups=members)
        if spec.layer_norm:
            h = _normalised(h, leaves[f"scale{i}"], leaves[f"shift{i}"], spec.layer_norm_epsilon)
        h = torch.relu(h)
    return h.view(rows, members, -1).transpose(0, 1).contiguous()


def _normalised(h: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Normalise each member's channels, rows and columns ``[B, members * channels, height, width]`` together; scale and
    shift are ``[members, channels, height, width]``."""
    grouped = h.view(len(h), *scale.shape)
    if len(scale) == 1:
        return torch.nn.functional.layer_norm(grouped, scale.shape[1:], scale[0], shift[0], epsilon).view_as(h)
    return torch.addcmul(shift, torch.nn.functional.layer_norm(grouped, scale.shape[1:], eps=epsilon), scale).view_as(h)
