"""Images of a batch: their pixels as numbers, and random crops."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from smore_sweep.images import WHITE

PADDING = 4
"""Pixels by which a crop moves an image at most, as in stable contrastive RL and in DrQ."""


def scaled(values: torch.Tensor) -> torch.Tensor:
    """Return images of uint8 as float32 from 0 to 1, and anything else as it is."""
    return values.to(torch.float32).div_(WHITE) if values.dtype == torch.uint8 else values


def random_crop(images: torch.Tensor, shape: Sequence[int], uniform: torch.Tensor) -> torch.Tensor:
    """Move each image by up to :data:`PADDING` pixels in both directions; pixels at the edge are repeated.

    This is a random crop of an image that is padded by its edge.

    Args:
        images: ``[M, B, height * width * channels]``, of any type.
        shape: Height, width and channels.
        uniform: Numbers in [0, 1), ``[2, M, B]``: of the shift down and of that to the right.

    Returns:
        As ``images``.
    """
    height, width, channels = shape
    shift = (uniform * (2 * PADDING + 1)).long() - PADDING
    rows = (torch.arange(height, device=images.device) + shift[0].reshape(-1, 1)).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) + shift[1].reshape(-1, 1)).clamp(0, width - 1)
    number = torch.arange(rows.shape[0], device=images.device)[:, None, None]
    pixels = (number * height + rows[:, :, None]) * width + columns[:, None, :]
    return images.reshape(-1, channels).index_select(0, pixels.flatten()).view_as(images)
