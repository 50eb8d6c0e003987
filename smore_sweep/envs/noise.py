"""FetchReach with noisy actions, for the study of robustness in section 4.2 and figure 2 of the SMORe paper."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.utils.ezpickle import EzPickle
from numpy.typing import NDArray

from smore_sweep.envs.fetch import FetchReach


class NoisyFetchReach(FetchReach):
    """FetchReach in which every action ``a`` becomes ``clip(a + sigma * N(0, I), -1, 1)``.

    The noise comes from the environment's own generator, in evaluation and in data, so ``reset(seed=...)`` makes the
    whole episode reproducible. Rewards, goals and observations are those of FetchReach.

    Deviation: the wrapper of the GoFAR and SMORe code adds the noise to the caller's array, so their data hold the
    noisy, unclipped action. This class does not change the array, and the data hold the policy's action.
    """

    def __init__(self, sigma: float, **options: Any) -> None:
        super().__init__(**options)
        EzPickle.__init__(self, sigma, **options)  # the arguments of copies and pickles
        self.sigma = sigma

    def step(self, action: NDArray[Any]) -> tuple[Any, ...]:
        """Step with the noisy action, which the base class clips."""
        noise = self.sigma * self.np_random.standard_normal(self.action_space.shape)
        step: tuple[Any, ...] = super().step(np.asarray(action) + noise)
        return step
