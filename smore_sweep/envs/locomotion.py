"""Running at a target velocity: Gymnasium's ``HalfCheetah-v5`` and ``Ant-v5`` as goal environments.

The goal is one number, the forward velocity in m/s, and is constant: 11 for the cheetah, 5 for the ant. The bodies, the
resets (joints ``+ U(-0.1, 0.1)``, velocities ``+ 0.1 N(0, 1)``) and the ant's health condition are Gymnasium's.

Deviations from the paper's environments, D4RL's ``halfcheetah-*-v2`` and ``ant-*-v2`` on ``mujoco_py``:

* The current ``mujoco`` simulates them, so trajectories agree in distribution only, and seeds give other episodes.
* The ant's 84 contact forces are zeros, as with the old ``mujoco_py`` and in D4RL's v2 data. The observation therefore
  has the paper's 111 numbers, Gymnasium's 27 and then the zeros, and those data fit.
* Episodes last 1000 steps at most; the released evaluation can run to 1001.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from gymnasium.envs.mujoco.ant_v5 import AntEnv
from gymnasium.envs.mujoco.half_cheetah_v5 import HalfCheetahEnv
from gymnasium.envs.mujoco.mujoco_env import MujocoEnv
from gymnasium.utils import EzPickle
from numpy.typing import NDArray

from smore_sweep.envs.sparse import Array, Observation, SparseGoalEnv, goal_space

CONTACT_FORCES = 84


class _TargetVelocity(MujocoEnv, SparseGoalEnv):
    """Shared part of both bodies. It precedes Gymnasium's class of the body, whose methods it wraps."""

    threshold = success_threshold = 0.5

    target: ClassVar[float]
    """m/s"""
    velocity: ClassVar[int]
    """Index of the forward velocity in the observation."""

    def step(  # type: ignore[override]  # the base returns an array, a goal environment a dict
        self, action: NDArray[np.float32]
    ) -> tuple[Observation, np.float64, bool, bool, dict[str, float]]:
        """Apply the torques for 0.05 s. ``info["is_success"]`` is 1.0 within the success threshold, else 0.0."""
        observation: Any
        observation, _, terminated, _, _ = super().step(action)
        observation, reward, info = self.judged(observation)
        return observation, reward, bool(terminated), False, info

    def _get_obs(self) -> Observation:
        observation: Array = super()._get_obs()
        return {
            "observation": observation,
            "achieved_goal": observation[self.velocity : self.velocity + 1].copy(),
            "desired_goal": np.array([self.target]),
        }


class CheetahTargetVelocity(_TargetVelocity, HalfCheetahEnv):
    """Run at 11 m/s on two legs in a plane.

    Observation, a dict of float64 arrays:

    * ``observation`` (17,): height (m) and pitch (rad) of the torso, six joint angles (rad), then the velocities of the
      nine coordinates (m/s, rad/s), of which the first, ``observation[8]``, is forwards;
    * ``achieved_goal`` (1,): the forward velocity after the step (m/s);
    * ``desired_goal`` (1,): 11 m/s.

    Action: (6,) float32 in [-1, 1], the torques as fractions of the motors' largest. One step is 0.05 s.
    Reward: -1 while the velocity is further than 0.5 m/s from the goal, else 0. Success: nearer than 0.5 m/s.
    The episode ends by the time limit only.
    """

    target = 11.0
    velocity = 8

    def __init__(self, render_mode: str | None = None, **kwargs: Any) -> None:
        """Create the environment. ``kwargs`` are rendering options of Gymnasium's ``MujocoEnv`` (``width``, ...)."""
        HalfCheetahEnv.__init__(self, render_mode=render_mode, **kwargs)
        EzPickle.__init__(self, render_mode=render_mode, **kwargs)  # copies use these arguments, not the base's
        self.observation_space = goal_space(17, 1)


class AntTargetVelocity(_TargetVelocity, AntEnv):
    """Run at 5 m/s on four legs.

    Observation, a dict of float64 arrays:

    * ``observation`` (111,): height (m) and quaternion of the torso, eight joint angles (rad), then the velocities of
      the torso and the joints (m/s, rad/s), of which the first, ``observation[13]``, is forwards (along x), then 84
      zeros in place of contact forces;
    * ``achieved_goal`` (1,): the forward velocity after the step (m/s);
    * ``desired_goal`` (1,): 5 m/s.

    Action: (8,) float32 in [-1, 1], the torques as fractions of the motors' largest. One step is 0.05 s.
    Reward: -1 while the velocity is further than 0.5 m/s from the goal, else 0. Success: nearer than 0.5 m/s.
    The episode ends (terminated) when the torso's centre leaves the heights from 0.2 m to 1 m.
    """

    target = 5.0
    velocity = 13

    def __init__(self, render_mode: str | None = None, **kwargs: Any) -> None:
        """Create the environment. ``kwargs`` are rendering options of Gymnasium's ``MujocoEnv`` (``width``, ...)."""
        AntEnv.__init__(self, render_mode=render_mode, include_cfrc_ext_in_observation=False, **kwargs)
        EzPickle.__init__(self, render_mode=render_mode, **kwargs)  # copies use these arguments, not the base's
        self.observation_space = goal_space(111, 1)

    def compute_terminated(self, achieved_goal: Array, desired_goal: Array, info: object) -> bool:
        """Return whether the ant's present state is unhealthy, whatever the goals."""
        return not self.is_healthy

    def _get_obs(self) -> Observation:
        short = super()._get_obs()
        return short | {"observation": np.concatenate((short["observation"], np.zeros(CONTACT_FORCES)))}
