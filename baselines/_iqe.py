"""Interval quasimetric embeddings (Wang and Isola, 2022): a distance of vectors that need not be symmetric.

Two vectors are cut into groups of eight coordinates. In a group, each coordinate gives an interval
``[x_i, max(x_i, y_i)]``, and the group's component is the length of the union of these intervals. The distance mixes
mean and maximum of the components:

    d(x, y) = a mean(components) + (1 - a) max(components)

It is 0 from a vector to itself, never negative, and satisfies the triangle inequality.

The length of a union depends only on how many intervals cover each point, that is on the begins and the ends as two
sets. So both are sorted, each on its own, and with ``b_i`` and ``e_i`` in order, ``b_i <= e_i``,

    length = e_1 - b_1 + sum over i > 1 of (e_i - max(b_i, e_(i-1)))
"""

from __future__ import annotations

import torch

GROUP = 8
"""Coordinates of a group."""


def iqe(x: torch.Tensor, y: torch.Tensor, mean_share: torch.Tensor) -> torch.Tensor:
    """Return the distance ``[M, B]`` from ``x`` to ``y``, ``[M, B, 8 n]`` each.

    Coordinate ``c`` is in group ``c mod n``: which coordinates of a network's output make a group is immaterial.
    ``mean_share`` ``[M, 1]`` is ``a``.
    """
    members, rows, _ = x.shape
    components = interval_unions(x.reshape(members, rows, GROUP, -1), y.reshape(members, rows, GROUP, -1))
    return mean_share * components.mean(-1) + (1.0 - mean_share) * components.amax(-1)


def interval_unions(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the lengths ``[..., n]`` of the unions of the intervals ``[x_i, max(x_i, y_i)]``, ``[..., 8, n]`` each."""
    from smore_sweep.stacked.sorting import sorted_eights  # here, because it needs torch to be defined

    # max(a, b) = a + relu(b - a). The gradient of PyTorch's own is several times as slow on a CPU.
    begins: torch.Tensor
    ends: torch.Tensor
    begins, ends = sorted_eights(torch.stack([x, x + torch.relu(y - x)]))
    covered = torch.relu(ends[..., :-1, :] - begins[..., 1:, :])
    return (ends - begins).sum(-2) - covered.sum(-2)
