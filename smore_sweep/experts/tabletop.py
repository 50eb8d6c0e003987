"""Makers of the tabletop's data: one primitive an episode, with noise, so that no episode shows a composition."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smore_sweep.envs import tabletop
from smore_sweep.envs.tabletop_layouts import random_command, random_layout
from smore_sweep.envs.tabletop_scene import Scene

ENVIRONMENTS = {"Tabletop-v0": tabletop.Tabletop, "TabletopImages-v0": tabletop.TabletopImages}
NOISE = 0.1
"""Standard deviation of the noise on a script's actions. The original's is 0.05, in a slower environment."""
LIFTS = 10
"""Steps upwards at the end of a primitive, before the hand wanders."""


def primitives(env_id: str, seed: int, steps: int) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Make an episode: a random scene, one command that is possible there, then a hand that rises and wanders.

    The original keeps a scene for four primitives in a row. Here an episode depends on its seed alone, so that each has
    its own scene, which may be one that a primitive leaves behind.

    Returns:
        Observations ``[steps + 1, o]`` and actions ``[steps, 5]``.
    """
    scene, observe, random = _scene(), ENVIRONMENTS[env_id].observe, np.random.default_rng(seed)
    scene.set(random_layout(random))
    script = random_command(scene, random).script(scene)
    observations: list[NDArray[Any]] = [observe(scene)]
    actions: list[NDArray[np.float32]] = []
    lifts = LIFTS
    while len(actions) < steps:
        action = next(script, None)
        if action is not None:
            action = action + NOISE * random.standard_normal(5)
        elif lifts:
            lifts, action = lifts - 1, np.array([0.0, 0.0, 1.0, 0.0, -1.0]) + NOISE * random.standard_normal(5)
        else:
            action = np.array([*random.uniform(-1.0, 1.0, 2), 0.0, 0.0, -1.0])
        actions.append(np.clip(action, -1.0, 1.0).astype(np.float32))
        scene.step(actions[-1])
        observations.append(observe(scene))
    return np.array(observations), np.array(actions)


@lru_cache(maxsize=1)
def _scene() -> Scene:
    return Scene()
