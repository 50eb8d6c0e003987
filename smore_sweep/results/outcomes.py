"""Raw outcomes of evaluation episodes, and the metrics computed from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Outcomes:
    """Raw outcomes of ``E`` episodes of ``T`` steps, all ``[E, T]`` and about the state after each action.

    Attributes:
        reached: Whether the goal is within the reward's threshold.
        succeeded: Whether the goal is within the success threshold.
        distances: Distance to the goal, in the goal's units.
    """

    reached: NDArray[np.bool_]
    succeeded: NDArray[np.bool_]
    distances: NDArray[np.float32]

    def check(self) -> None:
        """Raise :class:`ValueError` unless dtypes are as declared, shapes agree and every distance is finite."""
        for name, dtype in (("reached", np.bool_), ("succeeded", np.bool_), ("distances", np.float32)):
            array: NDArray[Any] = getattr(self, name)
            if array.dtype != dtype or array.ndim != 2 or not array.size or array.shape != self.reached.shape:
                raise ValueError(f"the outcomes {name!r} are {array.dtype} of shape {array.shape}")
        if not np.isfinite(self.distances).all():
            raise ValueError("a distance of the outcomes is not finite")

    def summary(self) -> dict[str, float]:
        """Compute the metrics.

        Returns:
            ``return99``, ``return98``, ``return999``: mean over episodes of ``sum_k discount^k (r_k + 1)``, k from 0,
            for discounts of 0.99, 0.98 and 0.999 (the paper's for locomotion, whose episodes are long).
            ``success``: share of episodes that succeed after the last action. ``final_distance``: mean distance then.
            ``ever``: share of episodes that succeed after any action.
        """
        return {
            "return99": discounted_return(self.reached, 0.99),
            "return98": discounted_return(self.reached, 0.98),
            "return999": discounted_return(self.reached, 0.999),
            "success": float(self.succeeded[:, -1].mean()),
            "final_distance": float(self.distances[:, -1].mean(dtype=np.float64)),
            "ever": float(self.succeeded.any(1).mean()),
        }


def discounted_return(reached: NDArray[np.bool_], discount: float) -> float:
    """Return the mean over episodes ``[E, T]`` of the discounted sum of {0, 1} rewards."""
    return float((reached * discount ** np.arange(reached.shape[1])).sum(1).mean())


def agree(stored: Mapping[str, float], computed: Mapping[str, float]) -> bool:
    """Return whether stored metrics are the computed ones, up to rounding: processors may add in another order."""
    return all(math.isclose(value, computed[name], rel_tol=1e-9, abs_tol=1e-12) for name, value in stored.items())
