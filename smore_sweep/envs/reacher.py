"""Reacher as a goal environment: the two-link arm of gym's ``Reacher-v2`` behind the baselines' ``ReacherGoalWrapper``.

The arm and the resets are Gymnasium's ``ReacherEnv`` (``Reacher-v5``), the observation and the reward are the paper's.

Deviations from the paper's environment, which was made with the old ``gym`` and ``mujoco_py``:

* ``Reacher-v5`` on the current ``mujoco`` stands in for ``Reacher-v2`` on ``mujoco_py``. The model file (arm, motors,
  RK4 integrator, frame skip 2 of 0.01 s) and the reset distributions are the same, but the simulator is newer, so
  trajectories agree in distribution only. ``Reacher-v5`` drops the constant zero z difference from its observation;
  this class restores it. Its change of the dense reward does not matter, because only the sparse reward is used.
* The random numbers come from ``np.random.Generator``, so seeds give other episodes than the old ``gym`` gave.
* The wrapper adds the target to the difference ``fingertip - target``; this class reads the fingertip from the
  simulator, which differs by rounding only and makes ``observation[8:10]`` equal to ``achieved_goal`` to the last bit.
* Observations are float64 (as the Fetch environments').

The fingertip's position is that of the integrator's last stage, up to 1e-5 m from the position that the joint angles of
the same observation imply, because of the order in which MuJoCo steps.

As in the paper's environment, ``observation[4:6]`` always holds the commanded goal. A sample relabelled with another
goal therefore still carries the old goal in its observation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.envs.mujoco.reacher_v5 import ReacherEnv
from gymnasium.utils import EzPickle
from numpy.typing import NDArray

from smore_sweep.envs.sparse import Observation, SparseGoalEnv, goal_space

CAMERA = {"distance": 0.75, "azimuth": 90.0, "elevation": -90.0, "lookat": np.zeros(3)}  # from above


class ReacherGoalEnv(ReacherEnv, SparseGoalEnv):
    """Move the fingertip of a planar two-link arm (links of 0.10 m and 0.11 m) to a target.

    Observation, a dict of float64 arrays:

    * ``observation`` (11,): cos of both joint angles, sin of both, target x and y (m), both joint velocities (rad/s),
      fingertip x and y (m, absolute), z of fingertip minus target (m, constantly 0);
    * ``achieved_goal`` (2,): fingertip x and y (m);
    * ``desired_goal`` (2,): target x and y (m).

    Action: (2,) float32 in [-1, 1], the torques of the two joints as fractions of the motors' largest.
    Reward: -1 while the fingertip is further than 0.05 m from the target, else 0. Success: nearer than 0.05 m.
    Reset: joint angles U(-0.1, 0.1) rad, joint velocities U(-0.005, 0.005) rad/s, target uniform in the disc of
    radius 0.2 m around the base. One step is 0.02 s. The episode ends by the time limit only.
    """

    threshold = success_threshold = 0.05

    def __init__(self, render_mode: str | None = None, **kwargs: Any) -> None:
        """Create the environment. ``kwargs`` are rendering options of Gymnasium's ``MujocoEnv`` (``width``, ...)."""
        ReacherEnv.__init__(self, render_mode=render_mode, **{"default_camera_config": CAMERA, **kwargs})
        EzPickle.__init__(self, render_mode=render_mode, **kwargs)  # copies use these arguments, not the base's
        self.observation_space = goal_space(11, 2)

    def step(  # type: ignore[override]  # the base returns an array, a goal environment a dict
        self, action: NDArray[np.float32]
    ) -> tuple[Observation, np.float64, bool, bool, dict[str, float]]:
        """Apply the torques for 0.02 s. ``info["is_success"]`` is 1.0 within the success threshold, else 0.0."""
        self.do_simulation(action, self.frame_skip)  # the simulator clips the torques to [-1, 1]
        observation, reward, info = self.judged(self._get_obs())
        if self.render_mode == "human":
            self.render()  # type: ignore[no-untyped-call]
        return observation, reward, False, False, info

    def _get_obs(self) -> Observation:
        angles, target = self.data.qpos[:2], self.data.qpos[2:]
        tip = self.data.body("fingertip").xpos
        height = tip[2:] - self.data.body("target").xpos[2:]
        observation = (np.cos(angles), np.sin(angles), target, self.data.qvel[:2], tip[:2], height)
        return {
            "observation": np.concatenate(observation),
            "achieved_goal": tip[:2].copy(),
            "desired_goal": target.copy(),
        }
