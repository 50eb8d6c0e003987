"""PointReach and PointRooms: Gymnasium's checker, collisions computed by hand, closed walls, experts that arrive."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("gymnasium_robotics")
import gymnasium
from gymnasium.utils.env_checker import check_env

from smore_sweep.envs.points import BOUND, ROOMS, PointReach, PointRooms, Wall, inside, move
from smore_sweep.tasks import TASKS

NAMES = ["PointReach", "PointRooms"]
every_task = pytest.mark.parametrize("name", NAMES)


@every_task
def test_the_api_checker_passes(name: str) -> None:
    check_env(gymnasium.make(f"smore/{name}-v0", render_mode="rgb_array").unwrapped)


def test_walls_leave_four_openings_of_2_8() -> None:
    for x in (1.64, 4.46):
        assert inside(x, 0.0, ROOMS)
        assert inside(0.0, -x, ROOMS)
    for x in (1.65, 3.05, 4.45):  # an edge does not belong to its wall
        for sign in (-1, 1):
            assert not inside(sign * x, 0.0, ROOMS)
            assert not inside(0.0, sign * x, ROOMS)
    assert inside(0.79, 1.6, ROOMS)
    assert not inside(0.8, 1.6, ROOMS)
    assert not inside(0.9, 0.9, ROOMS)


@pytest.mark.parametrize(
    ("start", "action", "end"),
    [
        ((3.0, 3.0), (0.5, -0.25), (3.5, 2.75)),  # free
        ((1.2, 1.0), (0.3, -0.5), (1.5, 0.81)),  # onto the middle block's top, along it
        ((-1.2, -1.0), (-0.3, 0.5), (-1.5, -0.81)),  # the same from below
        ((2.0, 0.5), (-0.5, -0.2), (1.66, 0.3)),  # from an opening onto the block's end
        ((4.2, 0.1), (0.5, 0.5), (4.44, 0.6)),  # onto the opening's other post
        ((-0.2, 4.0), (0.5, 1.0), (0.3, 4.44)),  # onto the north stub
        ((1.0, 0.85), (-0.5, -0.5), (0.81, 0.81)),  # into a room's inner corner, two walls at once
        ((3.0, 0.9), (0.5, -1.0), (3.5, -0.1)),  # through an opening
        ((4.5, 4.5), (0.9, 0.2), (5.0, 4.7)),  # the square's edge
        ((3.0, 3.0), (7.0, -7.0), (4.0, 2.0)),  # actions are clipped to 1
        # The straight line would pass the block's corner (1.65, 0.8) on the free side, but its box meets the wall.
        ((1.6, 1.5), (1.0, -1.0), (2.6, 0.81)),
        # The middle blocks' inner corner: walls in order would give (1.66, 0.81), so they are taken in reverse order.
        ((1.7, 1.66), (-1.0, -1.0), (0.81, 1.66)),
        # A step that starts beyond both sides of a corner is stopped in both directions.
        ((1.7, 0.9), (-0.3, -0.3), (1.66, 0.81)),
    ],
)
def test_collisions_by_hand(start: tuple[float, float], action: tuple[float, float], end: tuple[float, float]) -> None:
    env = PointRooms()
    env.reset(seed=0)
    env._position = start
    observation, *_ = env.step(np.array(action, np.float32))
    np.testing.assert_allclose(observation["observation"], end, atol=1e-6)
    np.testing.assert_array_equal(observation["observation"], observation["achieved_goal"])


@every_task
def test_starts_and_goals_are_uniform_outside_the_walls(name: str) -> None:
    env: Any = TASKS[name].make().unwrapped
    env.reset(seed=0)
    places = []
    for _ in range(4000):
        observation, _ = env.reset()
        places += [observation["achieved_goal"], observation["desired_goal"]]
    found = np.array(places)
    assert np.abs(found).max() <= BOUND
    assert not any(inside(x, y, env.walls) for x, y in found)
    # The square's area less, in PointRooms, that of the cross in the middle and of four stubs.
    area = 100.0 - (2 * 1.6 * 3.3 - 1.6**2 + 4 * 1.6 * 0.55 if env.walls else 0.0)
    for x in (-1, 1):
        for y in (-1, 1):
            share = np.mean((x * found[:, 0] > 0.8) & (y * found[:, 1] > 0.8))
            assert share == pytest.approx(4.2**2 / area, abs=0.02)


def random_walk(walls: tuple[Wall, ...], steps: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return positions of a walk that keeps directions for some time, to press against walls."""
    random = np.random.default_rng(seed)
    x, y, places = 3.0, 3.0, []
    action = np.zeros(2)
    for _ in range(steps):
        if random.random() < 0.3:
            action = random.choice([-1.0, 0.0, 1.0], 2) if random.random() < 0.7 else random.uniform(-1.0, 1.0, 2)
        x, y = move(x, y, x + action[0], y + action[1], walls)
        x, y = min(max(x, -BOUND), BOUND), min(max(y, -BOUND), BOUND)
        places.append((x, y))
    return np.array(places)


def test_no_step_ends_in_a_wall_or_leads_through_one() -> None:
    places = random_walk(ROOMS, 20_000, seed=0)
    assert {(x > 0, y > 0) for x, y in places} == {(a, b) for a in (True, False) for b in (True, False)}
    shares = np.linspace(0.0, 1.0, 11)[:, None, None]
    between = (places[:-1] + shares * (places[1:] - places[:-1])).reshape(-1, 2)
    for left, right, bottom, top in ROOMS:
        x, y = between.T
        assert not np.any((x > left) & (x < right) & (y > bottom) & (y < top))


def test_closed_rooms_cannot_be_left() -> None:
    closed = ((-7.0, 7.0, -0.8, 0.8), (-0.8, 0.8, -7.0, 7.0))  # the same two bands without openings
    places = random_walk(closed, 20_000, seed=1)
    assert 0.8 <= places.min() <= 0.81
    assert places.max() == BOUND


@every_task
def test_experts_always_arrive(name: str) -> None:
    task = TASKS[name]
    env, expert = task.make(), task.policy("expert")
    assert expert is not None
    for seed in range(200):
        observation: Any
        observation, _ = env.reset(seed=seed)
        steps = 0
        for step in range(task.horizon):
            observation, reward, _, _, info = env.step(expert(observation))
            steps += float(reward) < 0.0
            assert float(reward) == 0.0 or steps == step + 1  # once there, it stays
        assert info["is_success"] == 1.0
        assert steps <= (9 if name == "PointReach" else 13)


def test_pictures_show_point_goal_and_walls() -> None:
    for env in (PointReach("rgb_array", width=320, height=220), PointRooms("rgb_array", width=320, height=220)):
        env.reset(seed=0)
        env._position, env._goal = (3.0, 3.0), np.array([-3.0, 3.0])
        picture = env.render()
        assert picture is not None
        assert picture.shape == (220, 320, 3)

        def at(x: float, y: float, picture: NDArray[np.uint8] = picture) -> tuple[int, ...]:
            return tuple(picture[int(110 - 20 * y), int(160 + 20 * x)].tolist())

        assert at(3, 3) == (40, 80, 200)
        assert at(-3, 3) == at(-2.1, 3) == (120, 200, 120)
        assert at(0, 0) == at(1, 0) == ((140, 140, 140) if env.walls else (255, 255, 255))
        assert at(3, -3) == at(1.2, 0) == (255, 255, 255)
        assert at(7, 0) == (230, 230, 230)
    assert PointReach().render() is None


def test_copies_and_pickles_go_on_alike() -> None:
    env = PointRooms()
    env.reset(seed=5)
    for other in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        expected, *_ = copy.deepcopy(env).step(np.ones(2, np.float32))
        found, *_ = other.step(np.ones(2, np.float32))
        np.testing.assert_array_equal(found["observation"], expected["observation"])
