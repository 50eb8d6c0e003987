"""SawyerReach and SawyerDoor: the hand of a Sawyer arm moves to a point, or opens a cabinet's door with a hook.

The paper's environments are multiworld's ``SawyerReachXYZEnv-v1`` and WGCSL's variant of multiworld's door with a hook.
Their numbers hold here too: observations, goals, hand boxes, thresholds, resets, 0.02 m per step, 50 simulator steps of
2 ms (reach) or 3 ms (door), and the sizes and positions of hook, handle and door.

The models in ``assets`` consist of boxes and capsules. Meta-World's package has the arm's meshes, but another door: its
doors have another handle, and a gripper moves them. It is a download of 37 MB and requires one exact version of MuJoCo,
and an arm of seven joints takes about three times as long to simulate as the hand, which is all that the tasks observe.

Deviations from multiworld's environments, whose models ran for comparison, without meshes, on MuJoCo 3.3:

* There is no arm (the one in the pictures is for show). multiworld's arm is welded to a point that the action moves,
  and follows it closely: after a step of 0.02 m the hand is 1 mm behind in the reach task, and in place in the door's.
  This hand slides along the axes on a critically damped servo and is 0.9 mm behind in the reach task, 0.15 mm in the
  door's. multiworld's hand tilts a little, this one does not.
* In the reach task nothing collides.
* In the door task only hook and door touch, and a stiff hinge (damping 5 N m s, a door of 1 kg) keeps the door where
  the hand released it. multiworld's hinge is loose and its panel overlaps the cabinet, so the door moves by itself, on
  the current MuJoCo even through its stops.
* Holding the bar, the hand opens the door to 0.82 rad before it reaches its box's edge; goals go up to 0.83 rad.
* A reset sets the hand's position, whereas multiworld simulates 500 steps that pull the hand there.
* Random numbers come from ``np.random.Generator``, so seeds give other episodes. Observations are float64.

As in multiworld an action moves the hand's commanded position, which is not observed. While the door holds the hand
back, the command runs ahead of it, as far as the box goes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import mujoco
import numpy as np
from gymnasium.envs.mujoco import MujocoEnv
from gymnasium.spaces import Box
from gymnasium.utils import EzPickle
from numpy.typing import NDArray

from smore_sweep.envs.sparse import Array, Observation, SparseGoalEnv, goal_space

ACTION_SCALE = 0.02  # metres that an action of 1 moves the hand's commanded position
FRAME_SKIP = 50  # simulator steps in an environment step
RENDER_MODES = ["human", "rgb_array", "depth_array", "rgbd_tuple"]


class _SawyerEnv(MujocoEnv, SparseGoalEnv, EzPickle):
    """A hand that follows commands of 0.02 m per step within a box. Subclasses set the numbers.

    The joint positions are the observation, and their last entries are the achieved goal.
    """

    model_file: ClassVar[str]
    camera: ClassVar[dict[str, Any]]
    hand_low: ClassVar[Array]  # metres
    hand_high: ClassVar[Array]
    home: ClassVar[Array]  # joint positions after a reset
    goal_low: ClassVar[Array]
    goal_high: ClassVar[Array]

    def __init__(self, render_mode: str | None = None, **kwargs: Any) -> None:
        """Create the environment. ``kwargs`` are rendering options of Gymnasium's ``MujocoEnv`` (``width``, ...)."""
        EzPickle.__init__(self, render_mode=render_mode, **kwargs)
        MujocoEnv.__init__(
            self,
            str(Path(__file__).with_name("assets") / self.model_file),
            FRAME_SKIP,
            goal_space(self.home.size, self.goal_low.size),
            render_mode=render_mode,
            **{"default_camera_config": self.camera, **kwargs},
        )
        self.goal = self.goal_low.copy()

    def _set_action_space(self) -> Box:
        self.action_space = Box(-1.0, 1.0, (3,), np.float32)
        return self.action_space

    def step(  # type: ignore[override]  # the base returns an array, a goal environment a dict
        self, action: NDArray[np.float32]
    ) -> tuple[Observation, np.float64, bool, bool, dict[str, float]]:
        """Move the commanded position, then simulate. ``info["is_success"]`` is 1.0 at the goal, else 0.0."""
        command = self.data.ctrl + ACTION_SCALE * np.clip(action, -1.0, 1.0)
        self.data.ctrl[:] = np.clip(command, self.hand_low, self.hand_high)
        mujoco.mj_step(self.model, self.data, FRAME_SKIP)
        observation, reward, info = self.judged(self._get_obs())
        if self.render_mode == "human":
            self.render()  # type: ignore[no-untyped-call]
        return observation, reward, False, False, info

    def reset_model(self) -> Observation:  # type: ignore[override]
        """Put the hand at home, at rest, and draw a new goal."""
        self.data.ctrl[:] = self.home[:3]
        self.goal = self.np_random.uniform(self.goal_low, self.goal_high)
        self._show_goal()
        self.set_state(self.home, np.zeros(self.model.nv))  # type: ignore[no-untyped-call]
        return self._get_obs()

    def _get_obs(self) -> Observation:
        observation = self.data.qpos.copy()
        return {
            "observation": observation,
            "achieved_goal": observation[-self.goal.size :].copy(),
            "desired_goal": self.goal.copy(),
        }

    def _show_goal(self) -> None:
        """Move the goal's marker to the goal."""
        raise NotImplementedError


class SawyerReach(_SawyerEnv):
    """Move the hand to a point.

    Observation, a dict of float64 arrays: ``observation`` (3,) and ``achieved_goal`` (3,) are the hand's position (m),
    ``desired_goal`` (3,) is the goal's. Action: (3,) float32 in [-1, 1], the displacement of the hand's command along
    x, y and z in units of 0.02 m; the command stays in the box from (-0.2, 0.55, 0.05) to (0.2, 0.75, 0.3).
    Reward: -1 while the hand is further than 0.06 m from the goal, else 0. Success: nearer than 0.06 m.
    Reset: the hand at (0, 0.5, 0.02), which is outside the box (the first action takes it to the box's edge), the goal
    uniform in the box. One step is 0.1 s. The episode ends by the time limit only.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": RENDER_MODES, "render_fps": 10}  # type: ignore[misc]
    model_file = "sawyer_reach.xml"
    camera: ClassVar[dict[str, Any]] = {
        "lookat": np.array([0.0, 0.55, 0.15]),
        "distance": 1.3,
        "azimuth": 140.0,
        "elevation": -25.0,
    }
    hand_low = goal_low = np.array([-0.2, 0.55, 0.05])
    hand_high = goal_high = np.array([0.2, 0.75, 0.3])
    home = np.array([0.0, 0.5, 0.02])
    threshold = success_threshold = 0.06

    def _show_goal(self) -> None:
        self.data.mocap_pos[0] = self.goal


class SawyerDoor(_SawyerEnv):
    """Bring a door to an angle, with a hook that goes behind the bar of the door's handle.

    Observation, a dict of float64 arrays: ``observation`` (4,) is the hand's position (m) and the door's angle (rad, 0
    is closed), ``achieved_goal`` (1,) the angle, ``desired_goal`` (1,) the angle wanted. Action: (3,) float32 in
    [-1, 1], the displacement of the hand's command along x, y and z in units of 0.02 m; the command stays in the box
    from (-0.1, 0.45, 0.1) to (0.05, 0.65, 0.25).
    Reward: -1 while the angle is further than 0.06 rad from the goal, else 0. Success: nearer than 0.02 rad.
    Reset: the hand at (-0.05, 0.635, 0.225), the hook above the handle, the door closed, the goal uniform between 0 and
    0.83 rad. One step is 0.15 s. The episode ends by the time limit only.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": RENDER_MODES, "render_fps": 7}  # type: ignore[misc]
    model_file = "sawyer_door.xml"
    camera: ClassVar[dict[str, Any]] = {
        "lookat": np.array([0.0, 0.65, 0.12]),
        "distance": 1.3,
        "azimuth": 140.0,
        "elevation": -35.0,
    }
    hand_low = np.array([-0.1, 0.45, 0.1])
    hand_high = np.array([0.05, 0.65, 0.25])
    goal_low = np.array([0.0])
    goal_high = np.array([0.83])
    home = np.array([-0.05, 0.635, 0.225, 0.0])
    threshold = 0.06
    success_threshold = 0.02

    def _show_goal(self) -> None:
        half = 0.5 * self.goal[0]
        self.data.mocap_quat[0] = np.cos(half), 0.0, 0.0, np.sin(half)
