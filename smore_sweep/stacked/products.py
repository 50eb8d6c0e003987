"""Products of stacked matrices that are not a network's parameters."""

from __future__ import annotations

import torch


def matmul(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the products ``[M, ..., n, m]`` of matrices ``[M, ..., n, k]`` and ``[M, ..., k, m]``.

    As in the networks: member by member on a CPU, all at once on a GPU. A product's last digits may depend on how many
    there are in its batch."""
    if first.device.type != "cpu":
        return first @ second
    return torch.stack([a @ b for a, b in zip(first, second, strict=True)])
