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

from typing import Any

import torch

GROUP = 8
"""Coordinates of a group."""
PIECE = 512
"""Rows that are sorted at a time on a CPU."""


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
    # max(a, b) = a + relu(b - a). The gradient of PyTorch's own is several times as slow on a CPU.
    begins: torch.Tensor
    ends: torch.Tensor
    begins, ends = _Sorted.apply(torch.stack([x, x + torch.relu(y - x)]))  # type: ignore[no-untyped-call]
    covered = torch.relu(ends[..., :-1, :] - begins[..., 1:, :])
    return (ends - begins).sum(-2) - covered.sum(-2)


class _Sorted(torch.autograd.Function):
    """Ascending order along the second last axis, by a sorting network of 19 comparisons.

    A step is a few operations on rows of ``n`` numbers, and no index is kept. On columns this short ``torch.sort``
    takes longer on a CPU.
    """

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        order, ctx.excess = values.clone(memory_format=torch.contiguous_format), []
        for piece in _pieces(order):
            for one, other in _COMPARED:
                left, right = piece[:, one], piece[:, other]
                ctx.excess.append(left - right)
                low = torch.minimum(left, right)
                torch.maximum(left, right, out=right)
                left.copy_(low)
        return order

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        gradient, excess = gradients[0].clone(memory_format=torch.contiguous_format), reversed(ctx.excess)
        for piece in reversed(_pieces(gradient)):
            for one, other in reversed(_COMPARED):
                left, right = piece[:, one], piece[:, other]
                # The difference where the two were exchanged, else 0.
                change = torch.ops.aten.threshold_backward(right - left, next(excess), 0)
                left += change
                right -= change
        return gradient


def _pieces(values: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """View ``[..., 8, n]`` as pieces ``[rows, 8, n]``: on a CPU as many rows as its cache holds, else all at once."""
    rows = values.view(-1, *values.shape[-2:])
    return torch.split(rows, PIECE if values.device.type == "cpu" else len(rows))


_COMPARED = (
    (slice(0, 2), slice(2, 4)),
    (slice(4, 6), slice(6, 8)),
    (slice(0, 4), slice(4, 8)),
    (slice(0, 8, 2), slice(1, 8, 2)),
    (slice(2, 4), slice(4, 6)),
    (slice(1, 4, 2), slice(4, 7, 2)),
    (slice(1, 6, 2), slice(2, 7, 2)),
)
"""Places that a step compares, the smaller number to go to the first: a network for eight, as small as there is."""
