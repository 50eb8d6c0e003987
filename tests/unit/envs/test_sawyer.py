"""SawyerReach and SawyerDoor: Gymnasium's checker, the hand's box, resets, the door's thresholds and motion."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium_robotics")
import gymnasium
from gymnasium.utils.env_checker import check_env

from smore_sweep.envs.sawyer import SawyerDoor, SawyerReach
from smore_sweep.experts.sawyer import open_door
from smore_sweep.tasks import TASKS

NAMES = ["SawyerReach", "SawyerDoor"]
REACH_LOW, REACH_HIGH = np.array([-0.2, 0.55, 0.05]), np.array([0.2, 0.75, 0.3])
DOOR_LOW, DOOR_HIGH = np.array([-0.1, 0.45, 0.1]), np.array([0.05, 0.65, 0.25])
every_task = pytest.mark.parametrize("name", NAMES)


def act(env: Any, *moves: tuple[float, float, float]) -> np.ndarray:
    """Return the observation after these actions."""
    for move in moves:
        observation, *_ = env.step(np.array(move, np.float32))
    state: np.ndarray = observation["observation"]
    return state


def hooked_door() -> SawyerDoor:
    """Create a closed door with the hook's tip midway between bar and panel."""
    env = SawyerDoor()
    env.reset(seed=0)
    np.testing.assert_allclose(act(env, (0, 0.5, -1), (0, 0, -1), (0, 0, -0.15)), [-0.05, 0.645, 0.182, 0.0], atol=5e-4)
    return env


@pytest.mark.filterwarnings("ignore:.*infinity:UserWarning")  # unbounded observations are meant
@every_task
def test_the_api_checker_passes(name: str) -> None:
    check_env(gymnasium.make(f"smore/{name}-v0").unwrapped, skip_render_check=True)


@every_task
def test_same_seed_same_bits_whatever_came_before(name: str) -> None:
    env: Any = TASKS[name].make()
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (30, 3)).astype(np.float32)

    def episode(seed: int) -> np.ndarray:
        first, _ = env.reset(seed=seed)
        return np.concatenate([np.concatenate(list(o.values())) for o in (first, *(env.step(a)[0] for a in actions))])

    once = episode(1)
    other = episode(2)
    np.testing.assert_array_equal(episode(1), once)
    assert not np.array_equal(other, once)


@every_task
def test_copies_and_pickles_are_environments_of_the_same_kind(name: str) -> None:
    env: Any = TASKS[name].make().unwrapped
    expected, _ = env.reset(seed=5)
    for other in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        observation, _ = other.reset(seed=5)
        np.testing.assert_array_equal(observation["desired_goal"], expected["desired_goal"])
        assert other.observation_space == env.observation_space


@every_task
def test_reward_and_success_of_a_step_are_those_of_its_goals(name: str) -> None:
    task = TASKS[name]
    env: Any = task.make()
    expert = task.policy("expert")
    assert expert is not None
    seen = set()
    for seed in range(5):
        observation, _ = env.reset(seed=seed)
        for _ in range(task.horizon):
            observation, reward, terminated, _, info = env.step(expert(observation))
            achieved, desired = observation["achieved_goal"], observation["desired_goal"]
            distance = float(np.linalg.norm(achieved - desired))
            assert reward == (-1.0 if distance > task.threshold else 0.0)
            assert info["is_success"] == float(distance < task.success_tolerance)
            assert not terminated
            assert not env.unwrapped.compute_terminated(achieved, desired, info)
            assert not env.unwrapped.compute_truncated(achieved, desired, info)
            np.testing.assert_array_equal(achieved, observation["observation"][-task.sizes.goal :])
            seen.add((float(reward), info["is_success"]))
    between = {(0.0, 0.0)} if name == "SawyerDoor" else set()  # rewarded, but not yet a success
    assert seen == {(-1.0, 0.0), (0.0, 1.0)} | between


@every_task
def test_reward_of_a_batch_equals_that_of_its_members(name: str) -> None:
    env: Any = TASKS[name].make().unwrapped
    rng = np.random.default_rng(0)
    achieved, desired = rng.uniform(-0.05, 0.05, (2, 4, 5, TASKS[name].sizes.goal))
    rewards = env.compute_reward(achieved, desired, {})
    assert rewards.shape == (4, 5)
    assert set(np.unique(rewards)) == {-1.0, 0.0}
    for index in np.ndindex(4, 5):
        single = env.compute_reward(achieved[index], desired[index], {})
        assert np.isscalar(single)
        assert single == rewards[index]


def test_reach_starts_outside_the_box_with_a_goal_anywhere_inside() -> None:
    env = SawyerReach()
    goals = []
    for seed in range(200):
        observation, _ = env.reset(seed=seed)
        for key in ("observation", "achieved_goal"):
            np.testing.assert_array_equal(observation[key], [0.0, 0.5, 0.02])
        goals.append(observation["desired_goal"])
    shares = (np.array(goals) - REACH_LOW) / (REACH_HIGH - REACH_LOW)
    assert np.all((shares >= 0.0) & (shares <= 1.0))
    assert np.all(shares.min(axis=0) < 0.05)
    assert np.all(shares.max(axis=0) > 0.95)
    np.testing.assert_allclose(shares.mean(axis=0), 0.5, atol=0.08)
    state = act(env, (0, 0, 0))  # even to stay takes the hand to the box's edge
    np.testing.assert_allclose(state, [0.0, 0.55, 0.05], atol=5e-3)  # 2 mm behind, of 50


def test_an_action_moves_the_hand_by_two_centimetres() -> None:
    env = SawyerReach()
    env.reset(seed=0)
    start = act(env, (0, 1, 1), (0, 0, 0), (0, 0, 0))
    for move in ((1.0, 0.0, 0.0), (-0.5, 0.25, 1.0), (0.0, -0.1, -0.75)):
        after = act(env, move)  # the hand is 0.9 mm behind
        np.testing.assert_allclose(after - start, 0.02 * np.array(move), atol=2e-3)
        start = act(env, (0, 0, 0))
        np.testing.assert_allclose(start, env.data.ctrl, atol=1e-4)
    np.testing.assert_allclose(env.data.body("hand").xpos, start, atol=1e-5)  # MuJoCo places bodies one substep late
    far = act(env, (-9, 0, 0))  # actions are clipped
    np.testing.assert_allclose(far - start, [-0.02, 0, 0], atol=2e-3)


@pytest.mark.parametrize(
    ("kind", "low", "high"), [(SawyerReach, REACH_LOW, REACH_HIGH), (SawyerDoor, DOOR_LOW, DOOR_HIGH)]
)
def test_the_hand_stays_in_its_box(kind: Any, low: np.ndarray, high: np.ndarray) -> None:
    env = kind()
    env.reset(seed=0)
    for corner in ((1, -1, 1), (-1, -1, 1), (1, -1, 1)):  # in front of the door, above its handle
        state = act(env, *[corner] * 25)
        np.testing.assert_allclose(state[:3], np.where(np.array(corner) > 0, high, low), atol=1e-3)


def test_door_is_shut_at_reset_whatever_came_before() -> None:
    env = hooked_door()
    assert act(env, *[(0, -1, 0)] * 5)[3] > 0.3
    goals = []
    for seed in range(200):
        observation, _ = env.reset(seed=seed)
        np.testing.assert_array_equal(observation["observation"], [-0.05, 0.635, 0.225, 0.0])
        assert observation["achieved_goal"] == 0.0
        goals.append(observation["desired_goal"][0])
        assert not env.data.qvel.any()
    assert 0.0 <= min(goals) < 0.02
    assert 0.81 < max(goals) <= 0.83
    np.testing.assert_allclose(np.mean(goals), 0.415, atol=0.06)


def test_markers_show_the_goal() -> None:
    for seed in range(3):
        reach, door = SawyerReach(), SawyerDoor()
        goal = reach.reset(seed=seed)[0]["desired_goal"]
        np.testing.assert_array_equal(reach.data.body("goal").xpos, goal)
        angle = door.reset(seed=seed)[0]["desired_goal"][0]
        turned = door.data.body("goal").xmat.reshape(3, 3)
        np.testing.assert_allclose(turned[:2, 0], [np.cos(angle), np.sin(angle)], atol=1e-12)
        door.set_state(np.append(door.home[:3], angle), np.zeros(4))  # type: ignore[no-untyped-call]
        np.testing.assert_allclose(turned, door.data.body("door").xmat.reshape(3, 3), atol=1e-12)


def test_hook_opens_the_door_and_closes_it_with_two_centimetres_of_play() -> None:
    env = hooked_door()
    first = act(env, (0, -1, 0))[3]  # 0.01 m of play, then 0.01 m at 0.26 m from the hinge
    np.testing.assert_allclose(first, 0.01 / 0.26, atol=4e-3)
    opened = act(env, *[(0, -1, 0)] * 3)[3]
    np.testing.assert_allclose(opened, 0.07 / 0.26, atol=0.02)
    assert abs(act(env, (0, 0.75, 0))[3] - opened) < 1e-3  # the tip moves from the bar to the panel
    assert act(env, (0, 1, 0))[3] < opened - 0.05


def test_door_stays_where_it_is_left() -> None:
    env = hooked_door()
    left = act(env, *[(0, -1, 0)] * 3, (0, 0.5, 0), (0, 0, 1), (0, 0, 1))
    assert left[3] > 0.15
    after = act(env, *[(0, -1, 0.5)] * 10, *[(-1, 0, 0)] * 10)
    assert abs(after[3] - left[3]) < 1e-6


def test_a_hand_away_from_the_door_does_not_move_it() -> None:
    env = SawyerDoor()
    env.reset(seed=0)
    env.action_space.seed(0)
    act(env, *[(0, -1, 0)] * 10)  # in front of the handle
    for _ in range(50):
        move = env.action_space.sample() * np.array([1.0, 0.25, 1.0], np.float32)
        assert env.step(move)[0]["observation"][3] == 0.0


def test_the_closed_door_withstands_a_push() -> None:
    env = SawyerDoor()
    env.reset(seed=0)
    state = act(env, *[(0, -1, 0)] * 5, *[(0, 0, -1)] * 4, *[(0, 1, 0)] * 15)  # the tip is in front of the bar
    assert state[1] < 0.61  # the bar stops it
    assert -1e-3 < state[3] <= 0.0


def test_the_widest_goals_are_a_success() -> None:
    env = SawyerDoor()
    observation, _ = env.reset(seed=0)
    env.goal[:] = 0.83
    observation["desired_goal"] = env.goal.copy()
    for _ in range(50):
        observation, reward, _, _, info = env.step(open_door(observation))
    np.testing.assert_allclose(observation["achieved_goal"], 0.822, atol=3e-3)  # where the hand's box ends
    assert reward == 0.0
    assert info["is_success"] == 1.0
