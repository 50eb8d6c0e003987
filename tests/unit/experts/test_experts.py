"""Scripted experts: pure functions of the observation that solve their tasks, even with noisy actions."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mujoco")

from smore_sweep.task import Task
from smore_sweep.tasks import TASKS

EPISODES = 20
DISCOUNT = 0.99


def rollouts(task: Task, noise: float) -> tuple[float, float]:
    """Return the success rate and the mean discounted return of ``EPISODES`` episodes of the expert."""
    env, expert = task.make(), task.policy("expert")
    assert expert is not None
    successes, returns = [], []
    for seed in range(EPISODES):
        rng = np.random.default_rng(seed)
        observation: Any
        observation, _ = env.reset(seed=seed)
        total = 0.0
        for step in range(task.horizon):
            action = expert(observation)
            action = np.clip(action + noise * rng.standard_normal(action.shape), -1.0, 1.0).astype(np.float32)
            observation, reward, _, _, info = env.step(action)
            total += DISCOUNT**step * (float(reward) + 1.0)
        successes.append(info["is_success"])
        returns.append(total)
    env.close()
    return float(np.mean(successes)), float(np.mean(returns))


@pytest.mark.parametrize(
    ("name", "noise", "floor"),
    [
        ("FetchReach", 0.0, 37.0),
        ("FetchReach", 0.2, 36.7),
        ("Reacher", 0.0, 31.5),
        ("Reacher", 0.2, 30.0),
        ("FetchPush", 0.0, 25.5),
        ("FetchPush", 0.2, 22.0),
        ("FetchPick", 0.0, 25.0),
        ("FetchPick", 0.2, 23.0),
        ("SawyerReach", 0.0, 31.0),
        ("SawyerReach", 0.2, 31.0),
        ("SawyerDoor", 0.0, 31.5),
        ("SawyerDoor", 0.2, 30.5),
        ("PointReach", 0.0, 34.0),
        ("PointReach", 0.2, 33.5),
        ("PointRooms", 0.0, 33.0),
        ("PointRooms", 0.2, 32.5),
    ],
)
def test_expert_solves_its_task(name: str, noise: float, floor: float) -> None:
    """The floors stand midway between the expert's return and that of the same expert at half speed."""
    success, mean_return = rollouts(TASKS[name], noise)
    assert success >= 0.8  # 0.95 or more; 0.15 or less for random actions
    assert mean_return >= floor


def test_sliding_expert_mostly_hits_the_goal_at_the_noise_of_its_data() -> None:
    task = TASKS["FetchSlide"]
    success, mean_return = rollouts(task, task.expert_noise)
    assert success >= 0.7
    assert mean_return >= 11.0


def test_launch_velocity_is_the_inverse_of_the_sliding_way() -> None:
    from smore_sweep.experts.fetch_slide import launch_velocity, sliding_way

    rng = np.random.default_rng(0)
    for velocity in rng.uniform(-1.2, 1.2, (20, 2)) + np.array([2.0, 0.0]):
        # Nearly: the last centimetres are along the velocity one way, along the way the other.
        np.testing.assert_allclose(launch_velocity(sliding_way(velocity)), velocity, atol=0.02)


@pytest.mark.parametrize(("noise", "success_floor", "floor"), [(0.0, 0.65, 22.0), (0.05, 0.5, 20.0)])
def test_hand_expert_mostly_reaches_the_goal(noise: float, success_floor: float, floor: float) -> None:
    """Success is about 0.8 with either noise, 0.4 with 0.1 and 0 with 0.2; the return is about 29, 28, 15 and 1."""
    success, mean_return = rollouts(TASKS["HandReach"], noise)
    assert success >= success_floor
    assert mean_return >= floor


def test_hand_expert_knows_the_joints_and_the_goals_of_its_environment() -> None:
    from smore_sweep.experts import hand

    env: Any = TASKS["HandReach"].make().unwrapped
    np.testing.assert_array_equal(hand.RANGES, env.model.actuator_ctrlrange)
    joints = [env.model.joint(i).name for i in hand.ACTUATED]
    actuators = [env.model.actuator(i).name for i in range(env.model.nu)]
    assert [name.replace(":A_", ":") for name in actuators] == joints
    met, thumbs = [], []
    for seed in range(100):
        goal = env.reset(seed=seed)[0]["desired_goal"]
        moved = np.any((goal != env.initial_goal).reshape(5, 3), axis=1)  # thumb and finger, or none
        met.append(hand.posture(goal))
        assert moved.tolist() == [met[-1] < 4 and finger in (met[-1], 4) for finger in range(5)]
        if met[-1] < 4:
            thumbs.append(goal[12:])
    assert set(met) == set(range(5))
    np.testing.assert_allclose(np.mean(thumbs, axis=0), hand.CENTRE, atol=0.3 * hand.SPREAD)
    np.testing.assert_allclose(np.std(thumbs, axis=0), hand.SPREAD, rtol=0.3)


def test_hand_fit_brings_the_fingertips_nearer_to_their_goals() -> None:
    from smore_sweep.envs.hand import HandReach
    from smore_sweep.experts.recipes import fit_hand

    env = HandReach()
    env.reset(seed=0)
    goal, start, gains = fit_hand.sample(env, 4, 1), fit_hand.constant(fit_hand.resting(env)), np.zeros((15, 20))
    before = fit_hand.mean_cost(env, 4, goal, start, gains, 0.01)
    _, after = fit_hand.fit(env, 4, goal, start, gains, 0.01, 1)
    assert before > 1e-3  # gravity and friction
    assert after < 0.1 * before


@pytest.mark.parametrize("noise", [0.5, 1.0, 1.5])
def test_noise_in_the_environment_makes_the_task_harder(noise: float) -> None:
    task = TASKS[f"FetchReachNoise{noise}"]
    _, mean_return = rollouts(task, task.expert_noise)
    # Midway between the returns 38.0 (without noise), 37.0, 28.2, and 17.8.
    low, high = {0.5: (32.5, 37.5), 1.0: (23.0, 32.5), 1.5: (11.0, 23.0)}[noise]
    assert low <= mean_return <= high


@pytest.mark.parametrize("name", sorted(TASKS))
def test_expert_is_a_pure_function(name: str) -> None:
    task = TASKS[name]
    env, expert = task.make(), task.policy("expert")
    assert expert is not None
    observation: Any
    seen = []
    for seed in range(5):
        observation, _ = env.reset(seed=seed)
        before = copy.deepcopy(observation)
        first, second = expert(observation), expert(observation)
        assert first.dtype == np.float32
        assert first.shape == (task.sizes.action,)
        np.testing.assert_array_equal(first, second)
        for key, value in observation.items():
            np.testing.assert_array_equal(value, before[key])
        seen.append((observation, first))
    for observation, first in seen:  # other observations in between change nothing
        np.testing.assert_array_equal(expert(observation), first)
    env.close()


@pytest.mark.parametrize("name", sorted(TASKS))
def test_expert_is_finite_and_bounded_everywhere(name: str) -> None:
    sizes, expert = TASKS[name].sizes, TASKS[name].policy("expert")
    assert expert is not None
    rng = np.random.default_rng(0)
    for scale in (0.0, 1e-9, 1e-2, 1.0, 1e3):  # scale 0 puts gripper, block and goal (or base and target) in one place
        for _ in range(20):
            observation = {
                "observation": scale * rng.standard_normal(sizes.observation),
                "achieved_goal": scale * rng.standard_normal(sizes.goal),
                "desired_goal": scale * rng.standard_normal(sizes.goal),
            }
            action = expert(observation)
            assert np.all(np.abs(action) <= 1.0)  # false for NaN
