"""Environments: Gymnasium's checker, the layout of Reacher's observation, the sparse reward, resets."""

from __future__ import annotations

import copy
import importlib
import math
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mujoco")
import gymnasium
from gymnasium.utils.env_checker import check_env

import smore_sweep.envs
from smore_sweep.tasks import TASKS

THRESHOLD = 0.05


@pytest.fixture
def reacher() -> Iterator[gymnasium.Env[Any, Any]]:
    env = TASKS["Reacher"].make()
    yield env
    env.close()


def test_importing_twice_registers_once() -> None:
    before = set(gymnasium.registry)
    importlib.reload(smore_sweep.envs)  # a warning would be an error here
    assert set(gymnasium.registry) == before
    assert "smore/Reacher-v0" in before


@pytest.mark.filterwarnings("ignore:.*infinity:UserWarning")  # unbounded observations are meant
def test_reacher_passes_the_api_checker() -> None:
    env = gymnasium.make("smore/Reacher-v0")
    check_env(env.unwrapped, skip_render_check=True)


@pytest.mark.parametrize("name", sorted(TASKS))
def test_environment_agrees_with_the_task_table(name: str) -> None:
    task = TASKS[name]
    env = task.make()
    observation, _ = env.reset(seed=0)
    spaces = env.observation_space
    assert isinstance(spaces, gymnasium.spaces.Dict)
    assert observation["observation"].shape == (task.sizes.observation,)
    assert observation["achieved_goal"].shape == observation["desired_goal"].shape == (task.sizes.goal,)
    assert env.action_space == gymnasium.spaces.Box(-1.0, 1.0, (task.sizes.action,), np.float32)

    def around(threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Return achieved goals at, inside and outside the threshold, and the desired ones."""
        reached = np.zeros((3, task.sizes.goal))
        reached[:, 0] = threshold, threshold - 1e-9, threshold + 1e-9
        return reached, np.zeros_like(reached)

    base: Any = env.unwrapped
    assert base.compute_reward(*around(task.threshold), {}).tolist() == [0.0, 0.0, -1.0]
    assert [bool(s) for s in base._is_success(*around(task.success_tolerance))] == [False, True, False]

    for step in range(1, task.horizon + 1):
        _, _, terminated, truncated, info = env.step(env.action_space.sample())
        assert not terminated or name.startswith("Ant")
        assert truncated == (step == task.horizon)
        assert info["is_success"] in (0.0, 1.0)
    env.close()


def test_reacher_observation_layout(reacher: gymnasium.Env[Any, Any]) -> None:
    reacher.action_space.seed(0)
    observation, _ = reacher.reset(seed=0)
    target = observation["desired_goal"]
    data = reacher.unwrapped.data  # type: ignore[attr-defined]
    for _ in range(20):
        state = observation["observation"]
        angles = np.arctan2(state[2:4], state[0:2])
        np.testing.assert_allclose(np.hypot(state[0:2], state[2:4]), 1.0, rtol=1e-12)
        np.testing.assert_allclose(np.cos(angles), np.cos(data.qpos[:2]), atol=1e-12)
        np.testing.assert_allclose(np.sin(angles), np.sin(data.qpos[:2]), atol=1e-12)
        np.testing.assert_array_equal(state[4:6], observation["desired_goal"])
        np.testing.assert_array_equal(observation["desired_goal"], target)  # the target does not move
        np.testing.assert_array_equal(state[6:8], data.qvel[:2])
        np.testing.assert_array_equal(state[8:10], observation["achieved_goal"])
        assert state[10] == 0.0
        upper, both = angles[0], angles.sum()  # links of 0.10 m and 0.11 m
        tip = 0.10 * np.array([np.cos(upper), np.sin(upper)]) + 0.11 * np.array([np.cos(both), np.sin(both)])
        np.testing.assert_allclose(observation["achieved_goal"], tip, atol=1e-4)
        observation, *_ = reacher.step(reacher.action_space.sample())


def test_reacher_reward_of_a_batch_equals_that_of_its_members(reacher: gymnasium.Env[Any, Any]) -> None:
    env: Any = reacher.unwrapped
    rng = np.random.default_rng(0)
    achieved, desired = rng.uniform(-0.1, 0.1, (2, 4, 50, 2))
    rewards = env.compute_reward(achieved, desired, {})
    assert rewards.shape == (4, 50)
    assert set(np.unique(rewards)) == {-1.0, 0.0}
    for index in np.ndindex(4, 50):
        single = env.compute_reward(achieved[index], desired[index], {})
        assert np.isscalar(single)
        assert single == rewards[index]


def test_reacher_step_agrees_with_its_compute_functions(reacher: gymnasium.Env[Any, Any]) -> None:
    expert = TASKS["Reacher"].policy("expert")
    assert expert is not None
    env: Any = reacher.unwrapped
    observation, _ = reacher.reset(seed=3)
    seen = set()
    for _ in range(50):
        observation, reward, terminated, truncated, info = reacher.step(expert(observation))
        achieved, desired = observation["achieved_goal"], observation["desired_goal"]
        distance = float(np.linalg.norm(achieved - desired))
        assert reward == env.compute_reward(achieved, desired, info) == (-1.0 if distance > THRESHOLD else 0.0)
        assert info["is_success"] == float(distance < THRESHOLD)
        assert not terminated
        assert not env.compute_terminated(achieved, desired, info)
        assert not env.compute_truncated(achieved, desired, info)
        seen.add(reward)
    assert truncated
    assert seen == {-1.0, 0.0}


def test_reacher_reset_is_reproducible_and_within_its_ranges(reacher: gymnasium.Env[Any, Any]) -> None:
    targets = []
    for seed in range(50):
        first, _ = reacher.reset(seed=seed)
        again, _ = reacher.reset(seed=seed)
        for key, value in first.items():
            np.testing.assert_array_equal(value, again[key])
        state = first["observation"]
        assert np.all(np.abs(np.arctan2(state[2:4], state[0:2])) <= 0.1)
        assert np.all(np.abs(state[6:8]) <= 0.005)
        assert np.linalg.norm(first["desired_goal"]) < 0.2
        targets.append(first["desired_goal"])
    assert len(np.unique(targets, axis=0)) == 50
    assert np.any(np.min(targets, axis=0) < -0.1)
    assert np.any(np.max(targets, axis=0) > 0.1)


def test_reacher_clips_actions(reacher: gymnasium.Env[Any, Any]) -> None:
    ends = []
    for scale in (1.0, 3.0):
        reacher.reset(seed=0)
        for _ in range(5):
            observation, *_ = reacher.step(np.array([scale, -scale], np.float32))
        ends.append(observation["observation"])
    np.testing.assert_array_equal(ends[0], ends[1])


def test_reacher_can_be_copied_and_pickled(reacher: gymnasium.Env[Any, Any]) -> None:
    expected, _ = reacher.reset(seed=5)
    for other in (copy.deepcopy(reacher.unwrapped), pickle.loads(pickle.dumps(reacher.unwrapped))):
        observation, _ = other.reset(seed=5)
        np.testing.assert_array_equal(observation["observation"], expected["observation"])
        assert other.observation_space == reacher.observation_space


@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("FetchReach", "FetchReach-v4"),
        ("FetchPush", "FetchPush-v4"),
        ("FetchPick", "FetchPickAndPlace-v4"),
        ("FetchSlide", "FetchSlide-v4"),
        ("HandReach", "HandReach-v3"),
    ],
)
def test_environment_is_bitwise_that_of_gymnasium_robotics(name: str, original: str) -> None:
    gymnasium.register_envs(importlib.import_module("gymnasium_robotics"))
    ours, theirs = TASKS[name].make(), gymnasium.make(original, max_episode_steps=50)
    ours.action_space.seed(0)
    for seed in range(2):
        left, right = ours.reset(seed=seed)[0], theirs.reset(seed=seed)[0]
        for _ in range(50):
            for key in ("observation", "achieved_goal", "desired_goal"):
                np.testing.assert_array_equal(left[key], right[key])
            action = ours.action_space.sample()
            left, *ours_rest = ours.step(action)
            right, *theirs_rest = theirs.step(action)
            assert ours_rest == theirs_rest
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    "name", ["FetchReach", "FetchPush", "FetchPick", "FetchSlide", "FetchReachNoise1.0", "HandReach"]
)
def test_robot_can_be_copied_and_pickled(name: str) -> None:
    env = TASKS[name].make()
    action = np.full(TASKS[name].sizes.action, 0.5, np.float32)
    expected, _ = env.reset(seed=5)
    moved, *_ = env.step(action)
    for other in (copy.deepcopy(env.unwrapped), pickle.loads(pickle.dumps(env.unwrapped))):
        observation, _ = other.reset(seed=5)
        np.testing.assert_array_equal(observation["observation"], expected["observation"])
        np.testing.assert_array_equal(other.step(action)[0]["observation"], moved["observation"])
    env.close()


def noisy(sigma: float, count: int, action: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Return the actions (count, 4) that reach the simulator of a noisy FetchReach, which does not move here."""
    env: Any = TASKS[f"FetchReachNoise{sigma}"].make().unwrapped
    env.reset(seed=0)
    arrived: list[np.ndarray] = []
    monkeypatch.setattr(env, "_set_action", lambda action: arrived.append(action.copy()))
    monkeypatch.setattr(env, "_mujoco_step", lambda action: None)
    monkeypatch.setattr(env, "_step_callback", lambda: None)
    for _ in range(count):
        env.step(action)
    return np.array(arrived)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.5])
def test_noise_has_its_standard_deviation_before_clipping(sigma: float, monkeypatch: pytest.MonkeyPatch) -> None:
    centre = np.array([0.0, 0.3, -0.3, 1.0], np.float32)
    arrived = noisy(sigma, 1500, centre, monkeypatch)
    assert np.all(np.abs(arrived) <= 1.0)
    # clip(a + sigma z, -1, 1) is at most x with the probability Phi((x - a) / sigma), and at the ends with the rest.
    for column, a in zip(arrived.T, centre, strict=True):
        for x in (-0.5, 0.0, 0.5):
            expected = 0.5 * (1.0 + math.erf((x - a) / sigma / math.sqrt(2.0)))
            assert np.mean(column <= x) == pytest.approx(expected, abs=0.05)
        assert np.mean(column == 1.0) == pytest.approx(
            0.5 * (1.0 - math.erf((1.0 - a) / sigma / math.sqrt(2.0))), abs=0.03
        )
    correlation = np.corrcoef(arrived[:, :3].T)
    np.testing.assert_allclose(correlation, np.eye(3), atol=0.1)
    assert abs(np.corrcoef(arrived[1:, 0], arrived[:-1, 0])[0, 1]) < 0.1  # fresh at every step


def test_noise_leaves_the_rest_alone() -> None:
    noisy_env, plain = TASKS["FetchReachNoise1.5"].make(), TASKS["FetchReach"].make()
    action = np.array([0.5, -0.5, 0.25, 0.0], np.float32)
    kept = action.copy()
    ends = []
    for seed in (1, 1, 2):
        first, _ = noisy_env.reset(seed=seed)
        same, _ = plain.reset(seed=seed)
        for key, value in first.items():
            np.testing.assert_array_equal(value, same[key])
        for _ in range(10):
            observation, reward, *_ = noisy_env.step(action)
            distance = np.linalg.norm(observation["achieved_goal"] - first["desired_goal"])
            assert reward == -float(distance > THRESHOLD)
        np.testing.assert_array_equal(observation["desired_goal"], first["desired_goal"])
        np.testing.assert_array_equal(action, kept)
        ends.append(observation["observation"])
    np.testing.assert_array_equal(ends[0], ends[1])  # the seed decides on the noise
    assert np.any(ends[0] != ends[2])
    noisy_env.close()
    plain.close()
