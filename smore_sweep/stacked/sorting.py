"""Sorting of columns of eight numbers, many at a time."""

from __future__ import annotations

from typing import Any

import torch

PIECE = 512
"""Rows that are sorted at a time on a CPU."""


def sorted_eights(values: torch.Tensor) -> torch.Tensor:
    """Sort ``[..., 8, n]`` along the second last axis, in ascending order."""
    ordered: torch.Tensor = _Sorted.apply(values)  # type: ignore[no-untyped-call]
    return ordered


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
