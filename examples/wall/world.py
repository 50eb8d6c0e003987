"""A point that walks around a wall: a Gymnasium goal environment."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
STEP, WALL, GAP = 0.1, 0.0, 0.5


class Wall(gymnasium.Env[Any, Any]):
    """The square [-1, 1]^2, with a wall at x = 0 that is open beyond |y| = 0.5. Starts lie left of it."""

    def __init__(self, render_mode: str | None = None) -> None:
        def box(size: int) -> gymnasium.spaces.Box:
            return gymnasium.spaces.Box(-1.0, 1.0, (size,), np.float64)

        self.render_mode = render_mode
        self.observation_space = gymnasium.spaces.Dict(
            {"observation": box(2), "achieved_goal": box(2), "desired_goal": box(2)}
        )
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float64)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        super().reset(seed=seed)
        self._place = self.np_random.uniform((-0.9, -0.9), (-0.2, 0.9))
        self._goal = self.np_random.uniform(-0.9, 0.9, 2)
        return self._observation(), {}

    def step(self, action: Array) -> tuple[dict[str, Array], float, bool, bool, dict[str, Any]]:
        place = np.clip(self._place + STEP * np.clip(action, -1.0, 1.0), -1.0, 1.0)
        crosses = (self._place[0] < WALL) != (place[0] < WALL)
        if not crosses or abs(place[1]) > GAP:
            self._place = place
        return self._observation(), 0.0, False, False, {}

    def render(self) -> Any:
        """Draw the wall, the goal (green) and the point (blue), 100 x 100 pixels."""
        picture = np.full((100, 100, 3), 255, np.uint8)
        picture[25:75, 49:51] = 0
        for place, colour in ((self._goal, (0, 160, 0)), (self._place, (0, 0, 200))):
            column, row = (int(pixel) for pixel in 50 + 48 * place * (1, -1))
            picture[row - 2 : row + 3, column - 2 : column + 3] = colour
        return picture

    def _observation(self) -> dict[str, Array]:
        return {
            "observation": self._place.copy(),
            "achieved_goal": self._place.copy(),
            "desired_goal": self._goal.copy(),
        }


def walk(observation: dict[str, Array]) -> Array:
    """Walk to the goal, around the wall if it lies between."""
    place, goal = observation["achieved_goal"], observation["desired_goal"]
    if (place[0] < WALL) != (goal[0] < WALL) and abs(place[1]) <= GAP + STEP:
        return np.array([0.0, 1.0 if place[1] >= 0 else -1.0])
    return np.clip((goal - place) / STEP, -1.0, 1.0)
