"""OGBench's environments with seeded resets, and the makers of its datasets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ogbench", reason="needs the extra ogbench")

from smore_sweep.data.rollout import rollout
from smore_sweep.envs.ogbench import OGBenchEnv
from smore_sweep.errors import DeclarationError
from smore_sweep.experts import ogbench_data
from smore_sweep.ogbench_tasks import ogbench_tasks
from smore_sweep.tasks import TASKS, pools_of, task
from tests.unit.envs.drawing import needs_pictures

ENVIRONMENTS = ["pointmaze-medium-v0", "cube-single-v0", "scene-v0", "puzzle-3x3-v0"]
DATASETS = [
    ("pointmaze-medium-v0", "navigate"),
    ("pointmaze-large-v0", "stitch"),
    ("cube-double-v0", "play"),
    ("cube-single-v0", "noisy"),
    ("scene-v0", "play"),
    ("scene-v0", "noisy"),
    ("puzzle-3x3-v0", "play"),
    ("puzzle-3x3-v0", "noisy"),
]


def _start(env: OGBenchEnv, seed: int, goal: int) -> list[np.ndarray[Any, Any]]:
    observation, _ = env.reset(seed=seed, options={"goal": goal})
    return [observation["observation"], observation["desired_goal"]]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_seed_and_a_goal_fix_an_episode(name: str) -> None:
    first, second = OGBenchEnv(name), OGBenchEnv(name)
    np.random.seed(3)
    starts = [_start(first, 7, goal) for goal in range(5)]
    state = np.random.get_state()[1].copy()  # type: ignore[index]
    second.reset(seed=99)
    second.step(second.action_space.sample())
    for goal, start in enumerate(starts):
        np.testing.assert_equal(_start(second, 7, goal), start)
    assert len({tuple(goal) for _, goal in starts}) == 5
    assert (np.random.get_state()[1] == state).all()  # type: ignore[index]  # NumPy's own is as before
    assert any((a != b).any() for a, b in zip(_start(first, 8, 0), starts[0], strict=True))


def test_a_seed_fixes_the_exits_of_teleporters() -> None:
    def exits(env: OGBenchEnv, seed: int) -> list[tuple[float, ...]]:
        env.reset(seed=seed, options={"goal": 0})
        found = []
        for _ in range(12):
            env._env.set_xy(env._env._teleport_info["teleport_in_xys"][0])
            env.step(np.zeros(2))
            found.append(tuple(env._env.get_xy()))
        return found

    first, second = OGBenchEnv("pointmaze-teleport-v0"), OGBenchEnv("pointmaze-teleport-v0")
    second.reset(seed=4)
    np.random.seed(3)
    state = np.random.get_state()[1].copy()  # type: ignore[index]
    found = exits(first, 7)
    assert (np.random.get_state()[1] == state).all()  # type: ignore[index]
    np.random.seed(5)
    assert exits(second, 7) == found != exits(second, 8)
    assert len(set(found)) == 3


@pytest.mark.filterwarnings("ignore:.*not in the possible render_modes")  # OGBench's arms declare none
@pytest.mark.parametrize("name", ["pointmaze-medium-v0", "cube-single-v0"])
def test_a_picture_has_the_size_that_is_asked_for(name: str) -> None:
    inner = OGBenchEnv(name, render_mode="rgb_array", width=96, height=64)._env.unwrapped
    sizes = [getattr(inner, f"_render_{side}", getattr(inner, side, 0)) for side in ("width", "height")]
    assert sizes == [96, 64]


@needs_pictures
def test_images_are_vectors_of_bytes_that_a_seed_fixes() -> None:
    row = task("visual-antmaze-medium-navigate")
    starts = []
    for _ in range(2):
        env = row.make()
        starts.append(row.reset(env, 3))
        assert env.observation_space.contains(starts[-1])
        env.close()
    np.testing.assert_equal(starts[0], starts[1])
    assert starts[0]["observation"].std() > 10  # something is drawn
    assert (starts[0]["observation"] != starts[0]["desired_goal"]).any()


def test_an_episode_ends_at_success() -> None:
    env = OGBenchEnv("pointmaze-medium-v0")
    observation, _ = env.reset(seed=0, options={"goal": 0})
    goal, steps, terminated = observation["desired_goal"], 0, False
    while not terminated:
        subgoal, _ = env._env.get_oracle_subgoal(observation["observation"], goal)
        way = np.asarray(subgoal) - observation["observation"]
        if np.linalg.norm(way) < 0.3:
            way = goal - observation["observation"]
        observation, reward, terminated, truncated, info = env.step(way / max(float(np.linalg.norm(way)), 0.2))
        assert info["success"] == terminated == (reward == 1.0)
        assert not truncated
        steps += 1
    assert 20 < steps < 1000
    assert np.linalg.norm(observation["achieved_goal"] - goal) <= 1.0


@pytest.mark.parametrize(("name", "kind"), DATASETS)
def test_an_episode_depends_on_its_seed_alone(name: str, kind: str) -> None:
    make = getattr(ogbench_data, kind)
    first = make(name, 5, 60)
    make(name, 6, 20)
    np.random.seed(11)
    again = make(name, 5, 60)
    np.testing.assert_equal(first, again)
    assert first[0].shape[0] == 61
    assert np.abs(first[1]).max() <= 1.0
    assert (make(name, 6, 60)[0] != first[0]).any()


@pytest.mark.parametrize("kind", ["play", "noisy"])
def test_a_scene_that_loses_its_cube_is_made_anew(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, looks = getattr(ogbench_data, kind), []

    def fell_once(position: object) -> bool:
        looks.append(position)
        return len(looks) == 1

    monkeypatch.setattr(ogbench_data, "_fell", lambda _: False)
    lost = make("scene-v0", 5, 30)
    monkeypatch.setattr(ogbench_data, "_fell", fell_once)
    states, actions = make("scene-v0", 5, 30)
    assert len(looks) == 31
    assert (states[0] != lost[0][0]).any()
    assert (actions != lost[1]).any()


def test_actions_lead_from_state_to_state() -> None:
    """A point moves by a fifth of its action where no wall is near."""
    states, actions = ogbench_data.navigate("pointmaze-medium-v0", 0, 200)
    moved = states[1:] - states[:-1]
    free = np.abs(moved - 0.2 * actions).max(1) < 1e-5
    assert free.mean() > 0.6


def test_a_walker_goes_on_to_new_goals_and_a_stitcher_stays() -> None:
    navigating, _ = ogbench_data.navigate("pointmaze-medium-v0", 1, 1000)
    stitching, _ = ogbench_data.stitch("pointmaze-medium-v0", 1, 200)
    assert (np.ptp(navigating, axis=0) > 12).all()  # nearly all of the maze of 6 x 6 cells of 4 units
    assert np.linalg.norm(stitching[-1] - stitching[0]) < 20
    assert np.linalg.norm(np.diff(stitching[-60:], axis=0), axis=-1).max() < 0.5
    assert np.ptp(stitching[-60:], axis=0).max() < 4


def test_every_dataset_is_a_task() -> None:
    rows = {row.name: row for row in ogbench_tasks()}
    assert sum(bool(row.sizes.image) for row in rows.values()) == 35
    assert len(rows) == 47 + 35
    assert not set(rows) & set(TASKS)
    for name in ("pointmaze-medium-navigate", "cube-single-play", "puzzle-4x6-noisy", "antmaze-large-explore"):
        row = task(name)
        assert row.pools == (row.dataset,)
        if row.trajectories:
            env = row.make()
            space: Any = env.observation_space
            assert space["observation"].shape == (row.sizes.observation,)
            assert env.action_space.shape == (row.sizes.action,)
    episodes = rollout("pointmaze-medium-stitch", "stitch", 3, 2)
    assert episodes.observations.shape == (2, 201, 2)
    np.testing.assert_array_equal(episodes.desired_goals, episodes.observations[:, -1])
    np.testing.assert_array_equal(rollout("pointmaze-medium-stitch", "stitch", 4, 1).actions[0], episodes.actions[1])


@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_single_task_is_one_goal_of_a_dataset(number: int) -> None:
    row, whole = task(f"pointmaze-medium-navigate-singletask-task{number}"), task("pointmaze-medium-navigate")
    assert replace(row, name=whole.name, environment=whole.environment, goals=5, data_of="") == whole
    assert pools_of(row.name) == pools_of(whole.name) == [(whole.name, "navigate")]
    env = row.make()
    goals = {tuple(row.reset(env, episode)["desired_goal"].tolist()) for episode in range(3)}
    assert len(goals) == 1
    noisy = whole.reset(whole.make(), 5 + number - 1)["desired_goal"]
    np.testing.assert_allclose(noisy, goals.pop(), atol=1.0)
    assert len({tuple(row.reset(env, 0, purpose)["observation"]) for purpose in ("evaluation", "online 0")}) == 2


def test_other_single_tasks_are_refused() -> None:
    for name in ("antmaze-medium-navigate-singletask-task1", "pointmaze-medium-navigate-singletask-task6"):
        with pytest.raises(DeclarationError, match="OGBench task"):
            task(name)


def test_a_dataset_that_cannot_be_made_says_how_to_import_it() -> None:
    with pytest.raises(DeclarationError) as refusal:
        task("antmaze-medium-navigate").check_maker("navigate")
    assert "smore-sweep data import ogbench antmaze-medium-navigate-v0.npz" in str(refusal.value)
