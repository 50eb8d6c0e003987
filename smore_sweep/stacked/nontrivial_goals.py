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


EDGES = 10_000
"""Edges of the cumulative distribution that are looked for at a time."""
DRAW_BITS = 48
"""Bits of the random number that draws a transition, of which there may be millions: those of two uniform numbers."""


class NontrivialGoals:
    """Draws ``(n, t, f)`` for every member.

    A transition is drawn by inversion of its cumulative distribution. The table is made on the CPU, in double
    precision, and holds whole numbers: for each transition the smallest random number that draws it or a later one.
    All devices therefore draw the same transitions.

    Args:
        achieved_goals: those of all episodes, ``[N, T + 1, g]``.
        spans: each member's episodes, as two ranges ``(begin, end)``.
        threshold: distance beyond which a goal counts as away, in the goal's units.
        device: where goals are drawn.
    """

    def __init__(
        self,
        achieved_goals: torch.Tensor,
        spans: Sequence[tuple[tuple[int, int], tuple[int, int]]],
        *,
        threshold: float,
        device: torch.device,
    ) -> None:
        self._threshold = threshold
        self._horizon = achieved_goals.shape[1] - 1
        weights = self._weights(achieved_goals.cpu())
        cumulative = torch.cat([weights.new_zeros(1), weights.cumsum(0)])
        different = list(dict.fromkeys(spans))  # members of one expert share have one table
        tables = [self._first_draws(cumulative, span) for span in different]
        self._length = len(cumulative)
        self._draws = torch.cat([table + (k << DRAW_BITS) for k, (table, _) in enumerate(tables)]).to(device)
        self._achieved = achieved_goals.to(device)
        self._times = torch.arange(self._horizon + 1, device=device)
        self._table = torch.tensor([[different.index(span)] for span in spans], device=device)
        self.possible = torch.stack([tables[different.index(span)][1] for span in spans])[:, None].to(device)
        """Whether the member's episodes have such goals at all, ``[M, 1]``."""

    def draw(self, uniform: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Draw episode, time and the goal's time, ``[M, B]`` each, from uniform numbers ``[3, M, B]``, of which the
        first two make one of 48 bits."""
        high, low = (uniform[:2] * 2.0**24).long()
        number = ((self._table << DRAW_BITS) + (high << 24) + low).contiguous()
        # The last edge at or below the number: transitions without a goal have no width and are never hit.
        transition = torch.searchsorted(self._draws, number, right=True) - 1 - self._table * self._length
        transition = transition.clamp(max=self._length - 2)
        episode, time = transition // self._horizon, transition % self._horizon
        valid = self._away(self._achieved[episode], time, self._times)
        rank = (uniform[2] * valid.sum(-1)).long()
        future = ((valid.cumsum(-1) == rank[..., None] + 1) & valid).to(torch.uint8).argmax(-1)
        return episode, time, torch.maximum(future, time + 1)

    def _first_draws(
        self, cumulative: torch.Tensor, span: tuple[tuple[int, int], tuple[int, int]]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the smallest random number whose position in the ``cumulative`` weights reaches each edge, by
        bisection (``2**DRAW_BITS`` where none does), and whether the span has any weight."""
        edges = cumulative[torch.tensor(span) * self._horizon]
        starts, (first, second) = edges[:, 0], edges[:, 1] - edges[:, 0]
        total = first + second

        def position(number: torch.Tensor) -> torch.Tensor:
            mass = number.double() * 2.0**-DRAW_BITS * total
            return torch.where(mass < first, mass + starts[0], mass - first + starts[1])

        def bisected(wanted: torch.Tensor) -> torch.Tensor:
            smallest = torch.zeros(len(wanted), dtype=torch.int64)
            for bit in reversed(range(DRAW_BITS + 1)):
                further = smallest + (1 << bit)
                smallest = torch.where(position(further - 1) < wanted, further, smallest)
            return smallest.clamp(max=1 << DRAW_BITS)

        return torch.cat([bisected(piece) for piece in cumulative.split(EDGES)]), total > 0  # type: ignore[no-untyped-call]

    def _away(self, achieved: torch.Tensor, time: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """Later times at which the achieved goal lies away from that at ``time`` ``[...]``, as a mask ``[..., T + 1]``
        for ``achieved`` ``[..., T + 1, g]``."""
        here = achieved.gather(-2, time[..., None, None].expand(*time.shape, 1, achieved.shape[-1]))
        away: torch.Tensor = torch.linalg.vector_norm(achieved - here, dim=-1) > self._threshold
        return away & (times > time[..., None])

    def _weights(self, achieved_goals: torch.Tensor) -> torch.Tensor:
        """The share of each transition's futures that lie away, ``[N T]``."""
        times = torch.arange(self._horizon + 1)
        starts = times[:-1]
        size = max(1, PAIRS // (self._horizon + 1) ** 2)
        shares = []
        for chunk in achieved_goals.split(size):  # type: ignore[no-untyped-call]
            from_each = chunk[:, None].expand(-1, self._horizon, -1, -1)
            count = self._away(from_each, starts.expand(len(chunk), -1), times).sum(-1)
            shares.append((count / (self._horizon - starts)).flatten().double())
        return torch.cat(shares)
