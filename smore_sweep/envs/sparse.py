"""Base class of goal environments: a sparse reward of the distance, and episodes that end by the time limit only."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box, Dict
from gymnasium_robotics.core import GoalEnv
from numpy.typing import NDArray

Array = NDArray[np.float64]
Observation = dict[str, Array]


class SparseGoalEnv(GoalEnv):  # type: ignore[misc]
    """Reward -1 while the goals' distance exceeds ``threshold``, else 0; success below ``success_threshold``.

    Both thresholds are in the goal's units.
    """

    threshold: ClassVar[float]
    success_threshold: ClassVar[float]

    def compute_reward(self, achieved_goal: Array, desired_goal: Array, info: object) -> Any:
        """Return the sparse reward (...) of goals (..., n): -1 beyond the threshold, 0 at it and within."""
        too_far = distance(achieved_goal, desired_goal) > self.threshold
        return np.where(too_far, -1.0, 0.0)[()]  # the index turns an array without axes into a scalar

    def compute_terminated(self, achieved_goal: Array, desired_goal: Array, info: object) -> bool:
        """Return False: an episode goes on at the goal, because staying there counts."""
        return False

    def compute_truncated(self, achieved_goal: Array, desired_goal: Array, info: object) -> bool:
        """Return False: the wrapper that ``gymnasium.make`` adds applies the time limit."""
        return False

    def judged(self, observation: Observation) -> tuple[Observation, Any, dict[str, float]]:
        """Return the observation, its reward and ``info``, whose ``is_success`` is 1.0 if the goal is met, else 0.0."""
        achieved, desired = observation["achieved_goal"], observation["desired_goal"]
        info = {"is_success": float(self._is_success(achieved, desired))}
        return observation, self.compute_reward(achieved, desired, info), info

    def _is_success(self, achieved_goal: Array, desired_goal: Array) -> Any:
        """Return whether goals (..., n) are nearer than the success threshold, of shape (...). At it they are not."""
        return distance(achieved_goal, desired_goal) < self.success_threshold


def distance(achieved_goal: Array, desired_goal: Array) -> Any:
    """Return the Euclidean distance (...) of goals (..., n), in their units."""
    return np.linalg.norm(np.asarray(achieved_goal) - np.asarray(desired_goal), axis=-1)


def goal_space(observation: int, goal: int) -> Dict:
    """Return the space of goal observations of the given sizes."""
    sizes = {"observation": observation, "achieved_goal": goal, "desired_goal": goal}
    return Dict({name: Box(-np.inf, np.inf, shape=(size,), dtype=np.float64) for name, size in sizes.items()})
