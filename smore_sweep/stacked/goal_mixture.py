"""Shares of the kinds of goals that a transition is relabelled with, as OGBench's samplers have them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GoalMixture:
    """Shares of current, future and random goals, which add up to 1.

    Attributes:
        current: Share of the transition's own state.
        future: Share of a later state of the same episode.
        random: Share of any state of the dataset.
        discount: Parameter of the geometric distribution of the steps to a future goal; None for a uniform one.
    """

    current: float
    future: float
    random: float
    discount: float | None = None

    def __post_init__(self) -> None:
        shares = (self.current, self.future, self.random)
        if min(shares) < 0 or abs(sum(shares) - 1.0) > 1e-9:
            raise ValueError(f"the shares {shares} of goals do not add up to 1")
