"""Hindsight goals that lie away from where the transition starts.

Where an object has to be moved and random episodes seldom move it, most hindsight goals are reached before the
transition begins (78% on FetchPush) and do not show how to reach one. Here ``(n, t, f)`` comes from the usual
distribution - ``(n, t)`` uniform, ``f`` uniform over ``t+1 .. T`` - given that ``|ag_f - ag_t| > threshold``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

PAIRS = 2_000_000
"""Pairs of states whose distance is computed at a time."""


class NontrivialGoals:
    """Draws ``(n, t, f)`` for every member.

    Args:
        achieved_goals: those of all episodes, ``[N, T + 1, g]``.
        spans: each member's episodes, as two ranges ``(begin, end)``.
        threshold: distance beyond which a goal counts as away, in the goal's units.
    """

    def __init__(
        self, achieved_goals: torch.Tensor, spans: Sequence[Sequence[tuple[int, int]]], *, threshold: float
    ) -> None:
        device = achieved_goals.device
        self._achieved, self._threshold = achieved_goals, threshold
        self._horizon = achieved_goals.shape[1] - 1
        weights = self._weights()
        self._cumulative = torch.cat([weights.new_zeros(1), weights.cumsum(0)])
        edges = torch.tensor(spans, device=device) * self._horizon
        ends = self._cumulative[edges]  # [M, 2, 2]
        self._starts = ends[:, :, 0]
        self._masses = ends[:, :, 1] - ends[:, :, 0]

    @property
    def possible(self) -> torch.Tensor:
        """Whether the member's episodes have such goals at all, ``[M, 1]``."""
        return self._masses.sum(-1, keepdim=True) > 0

    def draw(self, uniform: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Draw episode, time and the goal's time, ``[M, B]`` each, from uniform numbers ``[3, M, B]``: the first two
        make one of double precision, because there may be millions of transitions."""
        mass = (uniform[0].double() + uniform[1].double() * 2.0**-24) * self._masses.sum(-1, keepdim=True)
        first = self._masses[:, :1]
        position = torch.where(mass < first, mass + self._starts[:, :1], mass - first + self._starts[:, 1:])
        # The last edge at or below the position: transitions without a goal have no width and are never hit.
        transition = torch.searchsorted(self._cumulative, position, right=True) - 1
        transition = transition.clamp(max=len(self._cumulative) - 2)
        episode, time = transition // self._horizon, transition % self._horizon
        valid = self._away(self._achieved[episode], time)
        rank = (uniform[2] * valid.sum(-1)).long()
        future = ((valid.cumsum(-1) == rank[..., None] + 1) & valid).to(torch.uint8).argmax(-1)
        return episode, time, torch.maximum(future, time + 1)

    def _away(self, achieved: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Later times at which the achieved goal lies away from that at ``time`` ``[...]``, as a mask ``[..., T + 1]``
        for ``achieved`` ``[..., T + 1, g]``."""
        here = achieved.gather(-2, time[..., None, None].expand(*time.shape, 1, achieved.shape[-1]))
        away: torch.Tensor = torch.linalg.vector_norm(achieved - here, dim=-1) > self._threshold
        return away & (torch.arange(self._horizon + 1, device=time.device) > time[..., None])

    def _weights(self) -> torch.Tensor:
        """The share of each transition's futures that lie away, ``[N T]``."""
        times = torch.arange(self._horizon, device=self._achieved.device)
        size = max(1, PAIRS // (self._horizon + 1) ** 2)
        shares = []
        for chunk in self._achieved.split(size):  # type: ignore[no-untyped-call]
            from_each = chunk[:, None].expand(-1, self._horizon, -1, -1)
            count = self._away(from_each, times.expand(len(chunk), -1)).sum(-1)
            shares.append((count / (self._horizon - times)).flatten().double())
        return torch.cat(shares)
