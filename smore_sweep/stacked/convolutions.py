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
    joined = torch.cat(pictures, -1) if len(pictures) > 1 else pictures[0]
    joined = joined.repeat(spec.copies, 1, 1, 1, 1) if spec.copies > 1 else joined
    parts = [_encode(spec, joined[block], leaves) for block, leaves in zip(net.blocks, parameters, strict=True)]
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _encode(spec: EncoderSpec, images: torch.Tensor, leaves: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the features ``[members, B, outputs]`` of images ``[members, B, height, width, channels]``.

    Members are the groups of a convolution of ``[B, members * channels, height, width]``.
    """
    members, rows = images.shape[:2]
    h = images.permute(1, 0, 4, 2, 3).contiguous().view(rows, -1, *images.shape[2:4])
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
