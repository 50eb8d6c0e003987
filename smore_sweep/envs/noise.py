"""FetchReach with noisy actions (section 4.2 and figure 2 of the SMORe paper), for tests of robustness."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.utils.ezpickle import EzPickle
from numpy.typing import NDArray

from smore_sweep.envs.fetch import FetchReach


class NoisyFetchReach(FetchReach):
    """FetchReach in which every action ``a`` becomes ``clip(a + sigma * N(0, I), -1, 1)``.

    The noise is drawn from the environment's own generator, in evaluation as in data: ``reset(seed=...)`` makes the
    whole episode reproducible. Rewards, goals and observations are those of FetchReach.

    Deviation: the wrapper of the GoFAR and SMORe code adds the noise to the caller's array, so that what their data
    store is the noisy action, unclipped. Here the array is left alone, and the data store the policy's action.
    """

    def __init__(self, sigma: float, **options: Any) -> None:
        super().__init__(**options)
        EzPickle.__init__(self, sigma, **options)  # what copies and pickles are made from
        self.sigma = sigma

    def step(self, action: NDArray[Any]) -> tuple[Any, ...]:
        """One step on the disturbed action, which the base class clips."""
        noise = self.sigma * self.np_random.standard_normal(self.action_space.shape)
        step: tuple[Any, ...] = super().step(np.asarray(action) + noise)
        return step
