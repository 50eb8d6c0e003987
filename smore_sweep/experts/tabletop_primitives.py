"""Scripts of the tabletop's primitives: move the drawer, pick and place the block, push the cylinder.

A script looks at the simulation and yields one action (5) at a time; whoever runs it may disturb the actions. Its
stages are those of stable contrastive RL's scripts: rise, align, descend, drag or grasp or push, and rise again. A
stage that cannot be finished is given up, so that every script ends.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smore_sweep.envs import tabletop_scene as table
from smore_sweep.envs.tabletop_scene import Scene

Array = NDArray[np.float64]
Script = Iterator[Array]

SAFE_HEIGHT = 0.18
"""At which the hand and a block in it pass over everything."""
HANDLE_HEIGHT, PUSH_HEIGHT = 0.035, 0.03
GRASP_OFFSET = 0.004
"""The hand's height above the middle of a block that it holds."""
PUSH_DISTANCE = 0.085
"""From the hand to the cylinder's middle, before the fingers touch it."""
OPEN, CLOSE = -1.0, 1.0
NEAR_ENOUGH, ALIGNED = 0.012, math.radians(4.0)
STAGE_STEPS = 25


@dataclass(frozen=True)
class MoveDrawer:
    """Open or close the drawer to an ``opening`` in metres."""

    opening: float

    def script(self, scene: Scene) -> Script:
        """Take the handle between the fingers, drag it, and let go."""
        frame = scene.frame
        yaw = frame[1]

        def at_handle(opening: float, height: float) -> Array:
            return np.append(table.at_frame(frame, table.HANDLE + opening, 0.0), height)

        yield from _go(scene, at_handle(scene.opening, SAFE_HEIGHT), yaw, OPEN)
        yield from _go(scene, at_handle(scene.opening, HANDLE_HEIGHT), yaw, OPEN)
        yield from _grip(scene, yaw, CLOSE)
        for _ in range(STAGE_STEPS):
            if abs(scene.opening - self.opening) < 0.006:
                break
            # A little further than the goal: the fingers have play.
            beyond = self.opening + math.copysign(0.012, self.opening - scene.opening)
            yield _towards(scene, at_handle(beyond, HANDLE_HEIGHT), yaw, CLOSE)
        yield from _grip(scene, yaw, OPEN)
        yield from _rise(scene, yaw, OPEN)


@dataclass(frozen=True)
class PlaceBlock:
    """Bring the block to a ``target`` position (3)."""

    target: tuple[float, float, float]

    def script(self, scene: Scene) -> Script:
        """Grasp the block from above, carry it over, lower it, and let go.

        The fingers close across the drawer: along it, one of them would meet the lid.
        """
        yaw, target = _folded(scene.frame[1] + 0.5 * math.pi), np.array(self.target)

        def over(place: Array) -> Array:
            return np.append(place[:2], SAFE_HEIGHT)

        def at(place: Array, play: float = 0.0) -> Array:
            return np.array([place[0], place[1], place[2] + GRASP_OFFSET + play])

        yield from _go(scene, over(scene.block), yaw, OPEN)
        yield from _go(scene, at(scene.block), yaw, OPEN)
        yield from _grip(scene, yaw, CLOSE)
        yield from _rise(scene, yaw, CLOSE)
        yield from _go(scene, over(target), yaw, CLOSE)
        yield from _go(scene, at(target, play=0.004), yaw, CLOSE)
        yield from _grip(scene, yaw, OPEN)
        yield from _rise(scene, yaw, OPEN)


@dataclass(frozen=True)
class PushCylinder:
    """Push the cylinder straight to the middle of a quadrant, ``(near, side)``."""

    near: int
    side: int

    def script(self, scene: Scene) -> Script:
        """Descend behind the cylinder, the open fingers across the way, and push."""
        target = table.quadrant_middle(self.near, self.side)
        way = target - scene.cylinder
        way /= np.linalg.norm(way)
        yaw = _folded(math.atan2(way[1], way[0]) + 0.5 * math.pi)
        start = scene.cylinder - PUSH_DISTANCE * way
        yield from _go(scene, np.append(start, SAFE_HEIGHT), yaw, OPEN)
        yield from _go(scene, np.append(start, PUSH_HEIGHT), yaw, OPEN)
        for _ in range(STAGE_STEPS):
            left = float((target - scene.cylinder) @ way)
            if left < 0.01:
                break
            across = scene.cylinder - (scene.cylinder - scene.hand[:2]) @ way * way  # stay behind its middle
            ahead = across + min(left + 0.02, 0.05) * way
            yield _towards(scene, np.append(ahead, PUSH_HEIGHT), yaw, OPEN)
        yield from _go(scene, np.append(scene.hand[:2] - 0.02 * way, PUSH_HEIGHT), yaw, OPEN)
        yield from _rise(scene, yaw, OPEN)


Command = MoveDrawer | PlaceBlock | PushCylinder


def run_all(scene: Scene, commands: Iterable[Command]) -> Script:
    """Yield the actions of commands, one after the other."""
    for command in commands:
        yield from command.script(scene)


def _go(scene: Scene, place: Array, yaw: float, grip: float) -> Script:
    """Move the hand to a place (3) and a yaw."""
    for _ in range(STAGE_STEPS):
        if np.linalg.norm(place - scene.hand) < NEAR_ENOUGH and abs(yaw - scene.yaw) < ALIGNED:
            return
        yield _towards(scene, place, yaw, grip)


def _rise(scene: Scene, yaw: float, grip: float) -> Script:
    """Move the hand straight up to the safe height."""
    return _go(scene, np.append(scene.hand[:2], SAFE_HEIGHT), yaw, grip)


def _grip(scene: Scene, yaw: float, grip: float) -> Script:
    """Open or close the gripper where the hand is."""
    place = scene.hand
    for _ in range(3):
        yield _towards(scene, place, yaw, grip)


def _towards(scene: Scene, place: Array, yaw: float, grip: float) -> Array:
    """Return the action (5) that moves the hand towards a place (3) and a yaw as fast as it goes."""
    way = np.append((place - scene.hand) / table.REACH, (yaw - scene.yaw) / table.TURN)
    return np.append(way.clip(-1.0, 1.0), grip)


def _folded(yaw: float) -> float:
    """Return the yaw in [-90, 90] degrees at which the fingers are as at ``yaw``."""
    return (yaw + 0.5 * math.pi) % math.pi - 0.5 * math.pi
