"""Flow matching: a velocity that carries noise to the data in unit time.

``v(c, x, tau)`` depends on conditions ``c``, such as a state and a goal, on where it is, ``x``, and on the time. With
``x_0 ~ N(0, I)``, the data ``x_1`` and ``tau`` uniform on [0, 1), ``x_tau = (1 - tau) x_0 + tau x_1`` and

    L(v) = E[ |v(c, x_tau, tau) - (x_1 - x_0)|^2 / d ]

Its minimum is the mean velocity of all pairs that pass there, and ``dx / dtau = v`` takes N(0, I) to the data's
distribution given ``c`` (Lipman et al., Flow Matching for Generative Modeling, ICLR 2023; Liu et al., Flow Straight and
Fast, ICLR 2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import torch

from smore_sweep.stacked.network_spec import NetworkSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from smore_sweep.stacked.rng import Streams

Velocity: TypeAlias = "Callable[[torch.Tensor, torch.Tensor], torch.Tensor]"
"""Maps places ``[M, B, d]`` and times ``[M, B, 1]`` to velocities, given the conditions."""


def velocity_network(
    conditions: int, size: int, hidden: tuple[int, ...], learning_rate: float, *, layer_norm: bool = False
) -> NetworkSpec:
    """Return the network of a velocity ``[M, B, size]``. Its inputs are the conditions, the place and the time."""
    return NetworkSpec(
        conditions + size + 1, size, hidden, learning_rate, activation="gelu", init="xavier",
        layer_norm=layer_norm, layer_norm_after=layer_norm, layer_norm_epsilon=1e-6,
    )  # fmt: skip


def flow_noise(streams: Streams, purpose: str, batch_size: int, size: int) -> torch.Tensor:
    """Draw ``x_0`` and, after it, ``tau`` of each sample: ``[M, B, size + 1]``."""
    time = streams.uniform(f"{purpose} time", 1, batch_size)[0]
    return torch.cat([streams.normal(purpose, batch_size, size), time[..., None]], -1)


def flow_matching_loss(velocity: Velocity, data: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Return ``L(v)``, ``[M]``, of data ``x_1`` ``[M, B, d]`` with the noise of :func:`flow_noise`."""
    start, time = noise[..., :-1], noise[..., -1:]
    moving = velocity((1.0 - time) * start + time * data, time)
    return (moving - (data - start)).square().mean(-1).mean(-1)


def best_of(candidates: torch.Tensor, scores: torch.Tensor, count: int) -> torch.Tensor:
    """Return of every ``count`` candidates in a row ``[1, B count, d]`` that of the highest score ``[1, B count]``:
    ``[1, B, d]``."""
    rows = scores.shape[1] // count
    best = scores.view(rows, count).argmax(-1)
    return candidates.view(rows, count, -1)[torch.arange(rows), best][None]


def transport(velocity: Velocity, start: torch.Tensor, steps: int) -> torch.Tensor:
    """Return the end of ``dx / dtau = v`` from ``x_0`` = ``start`` ``[M, B, d]``, by Euler's method."""
    place = start
    for step in range(steps):
        place = place + velocity(place, torch.full_like(start[..., :1], step / steps)) / steps
    return place
