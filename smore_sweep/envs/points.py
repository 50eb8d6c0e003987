"""PointReach and PointRooms: a point moves in a square, in PointRooms through the openings of four rooms.

They are the baselines' ``Point2DLargeEnv-v1`` and ``Point2D-FourRoom-v1`` (multiworld's ``Point2DEnv`` and
``Point2DWallEnv`` in the WGCSL code) without pygame: the position is clipped to the square, and a wall projects it to
its edge. Random numbers come from ``np.random.Generator``, so seeds give other episodes than the original's.

The collision rule is the original's. A step collides with a side of a wall if it starts outside that side and its
*bounding box* meets it, so a diagonal step past a corner stops although its straight line would miss the corner. Walls
are 1.6 wide in the space of the point's centre and a step is at most 1 along each axis, so no step can cross one.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box, Dict
from numpy.typing import NDArray

from smore_sweep.envs.sparse import Observation, SparseGoalEnv

Wall = tuple[float, float, float, float]
"""A region closed to the point's centre: left, right, bottom, top."""

BOUND = 5.0  # the centre stays in [-BOUND, BOUND]^2
THRESHOLD = 1.0
RADIUS = 0.5  # of the point; walls are thicker by this than they look
HALF_WIDTH = 0.3 + RADIUS
MIDDLE, DOORPOST, BEYOND = 1.65, 4.45, 6.8  # 0.17, 1.05 and 1.2 BOUND, the half-width added or taken off
GAP = 0.01  # between a wall and a point after a collision

SPANS = ((-BEYOND, -DOORPOST), (-MIDDLE, MIDDLE), (DOORPOST, BEYOND))
ROOMS: tuple[Wall, ...] = (
    *((low, high, -HALF_WIDTH, HALF_WIDTH) for low, high in SPANS),
    *((-HALF_WIDTH, HALF_WIDTH, low, high) for low, high in reversed(SPANS)),
)
"""A horizontal and a vertical band, each with two openings, in the original's order."""

WHITE, PALE, GREY, GREEN, BLUE = (255, 255, 255), (230, 230, 230), (140, 140, 140), (120, 200, 120), (40, 80, 200)


class PointReach(SparseGoalEnv):
    """Move a point to a goal in the square [-5, 5]^2.

    Observation, a dict of float64 arrays (2,): ``observation`` and ``achieved_goal`` are the position, ``desired_goal``
    is the goal. Action: (2,) float32 in [-1, 1], added to the position. Reward: -1 while the point is further than 1
    from the goal, else 0. Success: nearer than 1. Reset: goal and position uniform outside walls. The episode ends
    by the time limit only.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}
    walls: ClassVar[tuple[Wall, ...]] = ()
    threshold = success_threshold = THRESHOLD

    def __init__(self, render_mode: str | None = None, width: int = 480, height: int = 480) -> None:
        """Create the environment. ``width`` and ``height`` are the size of pictures, in pixels."""
        self.render_mode = render_mode
        self._pixels = height, width
        position = Box(-BOUND, BOUND, (2,), np.float64)
        self.observation_space = Dict(observation=position, achieved_goal=position, desired_goal=position)
        self.action_space = Box(-1.0, 1.0, (2,), np.float32)
        self._position = (0.0, 0.0)
        self._goal = np.zeros(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draw a new goal, then a new position, each uniform outside walls."""
        super().reset(seed=seed)
        self._goal = np.array(self._sample_position())
        self._position = self._sample_position()
        return self._observation(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, np.float64, bool, bool, dict[str, float]]:
        """Move by the action, as far as walls allow. ``info["is_success"]`` is 1.0 within the success threshold."""
        x, y = self._position
        by_x, by_y = (min(max(float(part), -1.0), 1.0) for part in action)
        x, y = move(x, y, x + by_x, y + by_y, self.walls)
        self._position = (min(max(x, -BOUND), BOUND), min(max(y, -BOUND), BOUND))
        observation, reward, info = self.judged(self._observation())
        return observation, reward, False, False, info

    def render(self) -> NDArray[np.uint8] | None:
        """Draw goal, walls without the point's radius, and the point (a disc of radius 0.5): ``[height, width, 3]``."""
        if self.render_mode is None:
            return None
        edge = BOUND + RADIUS
        across, down = (
            (np.arange(count) - 0.5 * (count - 1)) * 2.0 * edge / min(self._pixels) for count in reversed(self._pixels)
        )
        x, y = across[None], -down[:, None]
        image = np.full((*self._pixels, 3), WHITE, np.uint8)
        image[(x - self._goal[0]) ** 2 + (y - self._goal[1]) ** 2 < THRESHOLD**2] = GREEN
        for left, right, bottom, top in self.walls:
            inside_x, inside_y = (x > left + RADIUS) & (x < right - RADIUS), (y > bottom + RADIUS) & (y < top - RADIUS)
            image[inside_x & inside_y] = GREY
        image[(x - self._position[0]) ** 2 + (y - self._position[1]) ** 2 < RADIUS**2] = BLUE
        image[np.maximum(np.abs(x), np.abs(y)) > edge] = PALE
        return image

    def _sample_position(self) -> tuple[float, float]:
        while True:
            x, y = self.np_random.uniform(-BOUND, BOUND, 2).tolist()
            if not inside(x, y, self.walls):
                return x, y

    def _observation(self) -> Observation:
        position = np.array(self._position)
        return {"observation": position, "achieved_goal": position.copy(), "desired_goal": self._goal.copy()}


class PointRooms(PointReach):
    """PointReach in four rooms. Openings of width 2.8 join neighbouring rooms."""

    walls = ROOMS


def inside(x: float, y: float, walls: tuple[Wall, ...]) -> bool:
    """Return whether a point's centre is inside a wall. The wall's edge is outside."""
    return any(left < x < right and bottom < y < top for left, right, bottom, top in walls)


def move(x: float, y: float, to_x: float, to_y: float, walls: tuple[Wall, ...]) -> tuple[float, float]:
    """Return the end of a step from ``(x, y)`` towards ``(to_x, to_y)``.

    The walls stop it one after the other. If they change both coordinates, the step is repeated with the walls in
    reverse order, which may stop the point at one wall only.
    """
    stopped = _stop(x, y, to_x, to_y, walls)
    if stopped[0] != to_x and stopped[1] != to_y:
        stopped = _stop(x, y, to_x, to_y, walls[::-1])
    return stopped


def _stop(x: float, y: float, to_x: float, to_y: float, walls: tuple[Wall, ...]) -> tuple[float, float]:
    for left, right, bottom, top in walls:
        over_x = min(x, to_x) <= right and max(x, to_x) >= left
        over_y = min(y, to_y) <= top and max(y, to_y) >= bottom
        if over_x and over_y:
            if y >= top >= to_y:
                to_y = top + GAP
            elif y <= bottom <= to_y:
                to_y = bottom - GAP
            if x >= right >= to_x:
                to_x = right + GAP
            elif x <= left <= to_x:
                to_x = left - GAP
    return to_x, to_y
