"""The tabletop as Gymnasium goal environments: of 48 x 48 images, or of the privileged state.

A goal is a whole observation: a picture of the table or its state after a scripted roll-out of the goal's commands.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from smore_sweep.envs import tabletop_scene as table
from smore_sweep.envs.offscreen import shared_camera
from smore_sweep.envs.tabletop_goals import EVALUATION_GOALS
from smore_sweep.envs.tabletop_scene import Scene
from smore_sweep.experts.tabletop_primitives import run_all
from smore_sweep.seeding import key

Observation = dict[str, NDArray[Any]]

IMAGE = (48, 48, 3)
"""Height, width and channels of an image."""
CAMERA = "eye"
VARIANTS = 32
"""Roll-outs of each goal's commands, hence goal images of it, as in the original."""
GOAL_NOISE = 0.05
"""Standard deviation of the noise on a goal's scripted actions."""
ATTEMPTS = 20


class Tabletop(gymnasium.Env[Any, Any]):
    """The tabletop with its privileged state as observation and goal, ``[STATE_SIZE]`` float32.

    Actions ``[5]`` in [-1, 1] move the hand along x, y and z and turn it; the gripper closes above 0. A step is 40 ms.
    The scenes are those of :data:`EVALUATION_GOALS`, without jitter; the reward is -1, or 0 where the goal is met
    (:func:`smore_sweep.envs.tabletop_scene.solved`, also in ``info["success"]``). An episode does not end at success.

    Args:
        render_mode: None or "rgb_array".
        width: Of a rendered picture, in pixels.
        height: Of a rendered picture.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 25}  # noqa: RUF012  # Gymnasium's form

    def __init__(self, render_mode: str | None = None, width: int = 320, height: int = 240) -> None:
        self.render_mode = render_mode
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (5,), np.float32)
        box = self.observation_box()
        self.observation_space = gymnasium.spaces.Dict(
            dict.fromkeys(("observation", "achieved_goal", "desired_goal"), box)
        )
        self._scene = Scene()
        self._picture_size = width, height
        self._goal = self._goal_state = np.zeros(0)

    @staticmethod
    def observation_box() -> gymnasium.spaces.Box:
        """Return the space of an observation and of a goal."""
        return gymnasium.spaces.Box(-np.inf, np.inf, (table.STATE_SIZE,), np.float32)

    @staticmethod
    def observe(scene: Scene) -> NDArray[Any]:
        """Return the observation of a scene."""
        return scene.state().astype(np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode. ``options={"goal": k}`` chooses the goal, else the seed does, as its variant."""
        super().reset(seed=seed)
        number = (options or {}).get("goal", int(self.np_random.integers(len(EVALUATION_GOALS))))
        variant = int(self.np_random.integers(VARIANTS))
        self._goal, self._goal_state = _goal(self.observe, number, variant)
        self._scene.set(EVALUATION_GOALS[number].layout)
        return self._observation(), {"success": False, "goal": EVALUATION_GOALS[number].name}

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        self._scene.step(np.asarray(action, np.float64))
        success = table.solved(self._scene.state(), self._goal_state)
        return self._observation(), float(success) - 1.0, False, False, {"success": success}

    def render(self) -> Any:
        """Return a picture ``[height, width, 3]`` of the scene, of uint8."""
        scene = self._scene
        return shared_camera(scene.model, CAMERA, *self._picture_size).picture(scene.model, scene.data)

    def _observation(self) -> Observation:
        observation = self.observe(self._scene)
        return {"observation": observation, "achieved_goal": observation, "desired_goal": self._goal}


class TabletopImages(Tabletop):
    """The tabletop with images as observations and goals: height, width and channels in one vector of uint8."""

    @staticmethod
    def observation_box() -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(0, 255, (int(np.prod(IMAGE)),), np.uint8)

    @staticmethod
    def observe(scene: Scene) -> NDArray[Any]:
        height, width, _ = IMAGE
        return shared_camera(scene.model, CAMERA, width, height).picture(scene.model, scene.data).ravel()


@lru_cache(maxsize=len(EVALUATION_GOALS) * VARIANTS)
def _goal(
    observe: Callable[[Scene], NDArray[Any]], number: int, variant: int
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return the observation and the state at the end of a goal's scripted roll-out, which stops where it is done.

    Noise makes some roll-outs fail. The goal's own test decides, against the roll-out without noise.
    """
    wanted = scripted_end(Scene(), number, None).state()
    for attempt in range(ATTEMPTS):
        scene = scripted_end(Scene(), number, key("tabletop goal", number, variant, attempt))
        if table.solved(state := scene.state(), wanted):
            return observe(scene), state
    raise RuntimeError(f"{ATTEMPTS} scripted roll-outs of {EVALUATION_GOALS[number].name} failed in a row")


def scripted_end(scene: Scene, number: int, seed: int | None) -> Scene:
    """Roll out the script of a goal's commands, with noise if there is a seed; return the scene."""
    random = np.random.default_rng(None if seed is None else seed % 2**63)
    goal = EVALUATION_GOALS[number]
    scene.set(goal.layout)
    for action in run_all(scene, goal.commands):
        scene.step(action if seed is None else action + GOAL_NOISE * random.standard_normal(5))
    return scene
