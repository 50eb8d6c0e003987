"""The Fetch environments of Gymnasium-Robotics with a faster observation: the same numbers at 1.3 times the speed.

At every step the library looks up all 15 joints of the robot by name, although the observation uses only the two
fingers. These classes list only those two. The ids are ``smore/FetchReach-v0``, ``smore/FetchPush-v0``,
``smore/FetchPick-v0`` and ``smore/FetchSlide-v0``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium_robotics.envs.fetch.fetch_env import MujocoFetchEnv
from gymnasium_robotics.envs.fetch.pick_and_place import MujocoFetchPickAndPlaceEnv
from gymnasium_robotics.envs.fetch.push import MujocoFetchPushEnv
from gymnasium_robotics.envs.fetch.reach import MujocoFetchReachEnv
from gymnasium_robotics.envs.fetch.slide import MujocoFetchSlideEnv

CAMERA = {"distance": 1.35, "azimuth": 150.0, "elevation": -25.0, "lookat": np.array([1.33, 0.75, 0.5])}
"""A view close enough to show block and goal."""


class _FingersOnly(MujocoFetchEnv):  # type: ignore[misc]
    """Mixin that reads only the last two robot joints, the fingers, after construction."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"default_camera_config": CAMERA, **options})
        robot = [name for name in self._model_names.joint_names if name.startswith("robot")]
        self._model_names._joint_names = tuple(robot[-2:])


class FetchReach(_FingersOnly, MujocoFetchReachEnv):  # type: ignore[misc]
    """FetchReach-v4 with the sparse reward."""


class FetchPush(_FingersOnly, MujocoFetchPushEnv):  # type: ignore[misc]
    """FetchPush-v4 with the sparse reward."""


class FetchPick(_FingersOnly, MujocoFetchPickAndPlaceEnv):  # type: ignore[misc]
    """FetchPickAndPlace-v4 with the sparse reward."""


class FetchSlide(_FingersOnly, MujocoFetchSlideEnv):  # type: ignore[misc]
    """FetchSlide-v4 with the sparse reward."""
