"""What our own goal environments share: the sparse reward of a distance, and episodes that do not end of themselves."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box, Dict
from gymnasium_robotics.core import GoalEnv
from numpy.typing import NDArray

Array = NDArray[np.float64]
Observation = dict[str, Array]


class SparseGoalEnv(GoalEnv):  # type: ignore[misc]
    """Reward -1 while achieved and desired goal are further apart than ``threshold``, else 0; success nearer than
    ``success_threshold``. Both in the goal's units."""

    threshold: ClassVar[float]
    success_threshold: ClassVar[float]

    def compute_reward(self, achieved_goal: Array, desired_goal: Array, info: object) -> Any:
        """The sparse reward of goals of shape (..., n), of shape (...): -1 beyond the threshold, 0 at it and within."""
        too_far = distance(achieved_goal, desired_goal) > self.threshold
        return np.where(too_far, -1.0, 0.0)[()]  # the index makes a scalar of an array without axes

    def compute_terminated(self, achieved_goal: Array, desired_goal: Array, info: object) -> bool:
        """Never: reaching the goal is not the end, staying there counts."""
        return False

    def compute_truncated(self, achieved_goal: Array, desired_goal: Array, info: object) -> bool:
        """Never: the time limit is the wrapper's that ``gymnasium.make`` adds."""
        return False

    def judged(self, observation: Observation) -> tuple[Observation, Any, dict[str, float]]:
        """The observation with its reward and ``info``: ``info["is_success"]`` is 1.0 if the goal is met, else 0.0."""
        achieved, desired = observation["achieved_goal"], observation["desired_goal"]
        info = {"is_success": float(self._is_success(achieved, desired))}
        return observation, self.compute_reward(achieved, desired, info), info

    def _is_success(self, achieved_goal: Array, desired_goal: Array) -> Any:
        """Whether goals of shape (..., n) are nearer than the success threshold, of shape (...). At it they are not."""
        return distance(achieved_goal, desired_goal) < self.success_threshold


def distance(achieved_goal: Array, desired_goal: Array) -> Any:
    """The Euclidean distance of goals of shape (..., n), in their units, of shape (...)."""
    return np.linalg.norm(np.asarray(achieved_goal) - np.asarray(desired_goal), axis=-1)


def goal_space(observation: int, goal: int) -> Dict:
    """The space of goal observations with so many numbers in the observation and in each goal."""
    sizes = {"observation": observation, "achieved_goal": goal, "desired_goal": goal}
    return Dict({name: Box(-np.inf, np.inf, shape=(size,), dtype=np.float64) for name, size in sizes.items()})
