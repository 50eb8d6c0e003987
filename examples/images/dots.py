"""A task whose observations and goals are images: a white square that is moved over a black picture.

smore-sweep data make Dots --episodes 50 --file dots.py
smore-sweep run dots.py
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from baselines.image_smore import ImageSMORe
from smore_sweep import Budget, Grid, Scale, Sizes, Sweep, Task

IMAGE = (48, 48, 3)
PIXELS = 48 * 48 * 3


def draw(place: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the picture of a square at a place [2] in [0, 1], as one vector."""
    picture = np.zeros(IMAGE, np.uint8)
    row, column = (place * 40).astype(int)
    picture[row : row + 8, column : column + 8] = 255
    return picture.ravel()


class Dots(gymnasium.Env[Any, Any]):
    """Move the square by at most 0.1 a step."""

    def __init__(self) -> None:
        image = spaces.Box(0, 255, (PIXELS,), np.uint8)
        self.observation_space = spaces.Dict(observation=image, achieved_goal=image, desired_goal=image)
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place, goal = self.np_random.uniform(size=(2, 2))
        self.goal = draw(goal)
        return self._observation(), {}

    def step(self, action: NDArray[Any]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place = np.clip(self.place + 0.1 * action, 0.0, 1.0)
        return self._observation(), 0.0, False, False, {}  # rewards follow from the task's threshold

    def _observation(self) -> dict[str, NDArray[np.uint8]]:
        image = draw(self.place)
        return {"observation": image, "achieved_goal": image, "desired_goal": self.goal}


def wander(environment: str, seed: int, steps: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return one episode: images [T + 1, pixels] and actions [T, 2]. Logged ones could be read from a file here."""
    actions = np.random.default_rng(seed).uniform(-1.0, 1.0, (steps, 2)).astype(np.float32)
    env = Dots()
    observation, _ = env.reset(seed=seed)
    images = [observation["observation"], *(env.step(action)[0]["observation"] for action in actions)]
    return np.stack(images), actions


# Distances of images are Euclidean, of pixels from 0 to 1: here a square is reached where most of it is covered.
DOTS = Task("Dots", Dots, Sizes(PIXELS, PIXELS, 2, image=IMAGE), threshold=13.0, horizon=20,
            dataset="wander", trajectories=wander)  # fmt: skip

SWEEP = Sweep(
    name="dots",
    description="SMORe moves a square over a picture",
    grids=[Grid(methods=[ImageSMORe(her_ratio=1.0)], tasks=[DOTS])],
    scales={
        "small": Scale(
            tasks=[DOTS],
            seeds=1,
            budget=Budget(
                episodes=50, updates=200, batch_size=32, evaluate_every=100, evaluation_episodes=5, final_episodes=20
            ),
            knobs={"hidden": 64},
        )
    },
)
