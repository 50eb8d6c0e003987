"""The tabletop's scripts, and the data that they make."""

from __future__ import annotations

from collections import Counter

import numpy as np

from smore_sweep.envs import tabletop_scene as table
from smore_sweep.envs.tabletop_layouts import random_command, random_layout
from smore_sweep.envs.tabletop_scene import Scene
from smore_sweep.experts.tabletop import NOISE, primitives
from smore_sweep.experts.tabletop_primitives import Command, MoveDrawer, PlaceBlock

EPISODES, LENGTH = 60, 75


def _done(command: Command, state: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bool:
    if isinstance(command, MoveDrawer):
        return bool(abs(state[9] - command.opening) < 0.02)
    if isinstance(command, PlaceBlock):
        return bool(np.linalg.norm(state[10:13] - command.target) < 0.03)
    return bool(np.linalg.norm(state[13:15] - table.quadrant_middle(command.near, command.side)) < 0.03)


def test_noisy_primitives_reach_their_goals_in_random_scenes() -> None:
    scene, done, kinds, steps = Scene(), [], Counter[str](), []
    for seed in range(EPISODES):
        random = np.random.default_rng(seed)
        scene.set(random_layout(random))
        command = random_command(scene, random)
        taken = 0
        for action in command.script(scene):
            scene.step(action + NOISE * random.standard_normal(5))
            taken += 1
        done.append(_done(command, scene.state()))
        kinds[type(command).__name__] += 1
        steps.append(taken)
    assert np.mean(done) > 0.95
    assert min(kinds.values()) > EPISODES / 10
    assert len(kinds) == 3
    assert max(steps) < LENGTH  # an episode holds a whole primitive


def test_random_scenes_differ_and_commands_change_something() -> None:
    scene, states = Scene(), []
    for seed in range(20):
        random = np.random.default_rng(seed)
        scene.set(random_layout(random))
        states.append(scene.state())
        assert not _done(random_command(scene, random), scene.state())
        assert not (scene.locked and scene.opening > 0.01)
    assert {round(state[9], 2) for state in states} == {0.0, 0.1}
    assert {table.block_place(state) for state in states} == {"lid", "table", "drawer"}


def test_an_episode_depends_on_its_seed_alone() -> None:
    first = primitives("Tabletop-v0", 3, 40)
    primitives("Tabletop-v0", 4, 10)
    np.testing.assert_equal(primitives("Tabletop-v0", 3, 40), first)
    observations, actions = first
    assert observations.shape == (41, table.STATE_SIZE)
    assert observations.dtype == actions.dtype == np.float32
    assert np.abs(actions).max() <= 1.0
    assert (primitives("Tabletop-v0", 4, 40)[0] != observations).any()
