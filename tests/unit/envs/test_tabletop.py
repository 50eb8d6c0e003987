"""The tabletop: its contract, its physics, its goals, and that the same seed gives the same bits."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from smore_sweep.envs import tabletop_scene as table
from smore_sweep.envs.tabletop import IMAGE, VARIANTS, Tabletop, TabletopImages, scripted_end
from smore_sweep.envs.tabletop_goals import COMPOSITIONS, EVALUATION_GOALS, HOME
from smore_sweep.envs.tabletop_scene import Layout, Scene
from smore_sweep.experts.tabletop_primitives import MoveDrawer, PushCylinder, run_all
from smore_sweep.tasks import task
from tests.unit.envs.drawing import needs_pictures

FRAME = (0.52, 0.13, -0.2)
BEFORE_THE_DRAWER = (0.76, 0.12)


def _layout(**changes: Any) -> Layout:
    start = {"frame": FRAME, "opening": 0.0, "block": (0.7, -0.02, 0.018), "cylinder": (0.6, -0.12), "hand": HOME}
    return Layout(**{**start, **changes})


def _scene(**changes: Any) -> Scene:
    scene = Scene()
    scene.set(_layout(**changes))
    return scene


def _roll(env: Tabletop, seed: int, goal: int, steps: int) -> list[NDArray[Any]]:
    observation, _ = env.reset(seed=seed, options={"goal": goal})
    found, random = [observation["observation"], observation["desired_goal"]], np.random.default_rng(0)
    for _ in range(steps):
        observation, *_ = env.step(random.uniform(-1, 1, 5).astype(np.float32))
        found.append(observation["observation"])
    return found


@pytest.mark.parametrize("name", ["Tabletop", pytest.param("TabletopImages", marks=needs_pictures)])
def test_the_task_fits_its_environment(name: str) -> None:
    row = task(name)
    env = row.make()
    assert env.spec is not None
    assert (env.spec.max_episode_steps, row.goals) == (row.horizon, len(EVALUATION_GOALS))
    observation = row.reset(env, 3)
    assert env.observation_space.contains(observation)
    assert observation["observation"].shape == (row.sizes.observation,)
    assert observation["desired_goal"].shape == (row.sizes.goal,)
    assert env.action_space.shape == (row.sizes.action,)
    after, reward, terminated, truncated, info = env.step(env.action_space.sample())
    assert env.observation_space.contains(after)
    assert (reward, terminated, truncated, info["success"]) == (-1.0, False, False, False)
    if row.sizes.image:
        assert observation["observation"].dtype == np.uint8
        assert row.sizes.image == IMAGE
        assert np.prod(IMAGE) == row.sizes.observation


@pytest.mark.parametrize("kind", [Tabletop, pytest.param(TabletopImages, marks=needs_pictures)])
def test_a_seed_fixes_an_episode_whatever_came_before(kind: type[Tabletop]) -> None:
    first, second = kind(), kind()
    expected = _roll(first, 7, 3, 12)
    _roll(second, 8, 2, 30)
    np.testing.assert_equal(_roll(second, 7, 3, 12), expected)
    assert any((a != b).any() for a, b in zip(_roll(second, 8, 3, 12)[:2], expected[:2], strict=True))


@needs_pictures
def test_another_process_gives_the_same_bits() -> None:
    code = (
        "import hashlib, numpy as np\n"
        "from smore_sweep.experts.tabletop import primitives\n"
        "arrays = primitives('TabletopImages-v0', 5, 30)\n"
        "print(hashlib.sha256(b''.join(array.tobytes() for array in arrays)).hexdigest())\n"
    )
    from smore_sweep.experts.tabletop import primitives

    primitives("TabletopImages-v0", 4, 3)
    arrays = primitives("TabletopImages-v0", 5, 30)
    here = hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert there == here


@pytest.mark.parametrize("goal", EVALUATION_GOALS, ids=lambda goal: goal.name)
def test_a_goal_is_reached_by_its_script_and_not_by_waiting(goal: Any) -> None:
    number = EVALUATION_GOALS.index(goal)
    wanted = scripted_end(Scene(), number, None).state()
    scene = Scene()
    assert sum(table.solved(scripted_end(scene, number, seed).state(), wanted) for seed in range(5)) == 5
    scene.set(goal.layout)
    for _ in range(5):
        scene.step(np.array([0, 0, 0, 0, -1.0]))
    assert not table.solved(scene.state(), wanted)
    for command in goal.commands[1:]:  # the first command alone does not do it, nor do the others without it
        scene.set(goal.layout)
        for action in goal.commands[0].script(scene):
            scene.step(action)
        assert not table.solved(scene.state(), wanted)
        scene.set(goal.layout)
        for action in command.script(scene):
            scene.step(action)
        assert not table.solved(scene.state(), wanted)


def test_goals_are_the_compositions_and_then_single_primitives() -> None:
    names = [goal.name for goal in EVALUATION_GOALS]
    assert names[:COMPOSITIONS] == ["drawer", "pick-place-table", "pick-place-drawer", "push-open"]
    assert all(len(goal.commands) == 1 for goal in EVALUATION_GOALS[COMPOSITIONS:])


def test_a_policy_that_follows_the_script_succeeds_in_the_environment() -> None:
    env = Tabletop()
    observation, info = env.reset(seed=1, options={"goal": 3})
    assert info["goal"] == "push-open"
    for action in run_all(env._scene, EVALUATION_GOALS[3].commands):
        observation, reward, _, _, info = env.step(action.astype(np.float32))
    assert info["success"]
    assert reward == 0.0
    assert observation["observation"][9] > 0.09  # the drawer is open


def test_a_goal_has_many_pictures_or_states_and_a_fixed_start() -> None:
    env = Tabletop()
    resets = [env.reset(seed=seed, options={"goal": 2})[0] for seed in range(6)]
    assert len({tuple(each["observation"]) for each in resets}) == 1
    assert len({tuple(each["desired_goal"]) for each in resets}) > 3
    assert VARIANTS == 32


def test_the_drawer_is_locked_while_the_cylinder_stands_before_it() -> None:
    scene = _scene(cylinder=BEFORE_THE_DRAWER)
    assert scene.locked
    for action in MoveDrawer(table.TRAVEL).script(scene):
        scene.step(action)
    assert scene.opening < 0.005
    scene = _scene(cylinder=BEFORE_THE_DRAWER)
    for action in run_all(scene, [PushCylinder(1, -1), MoveDrawer(table.TRAVEL)]):
        scene.step(action)
    assert not scene.locked
    assert scene.opening > 0.09


def test_a_closing_gripper_holds_a_near_block_until_it_opens() -> None:
    scene = _scene(hand=(0.7, -0.02, 0.024, 0.0))
    holds = []
    for action, steps in (([0, 0, 0, 0, 1.0], 1), ([0, 0, 1.0, 0, 1.0], 8)):
        for _ in range(steps):
            scene.step(np.array(action))
            holds.append(scene.holds)
    assert scene.block[2] > 0.12
    assert np.linalg.norm(scene.block - scene.hand) < 0.02
    for _ in range(15):
        scene.step(np.array([0, 0, 0, 0, -1.0]))
        holds.append(scene.holds)
    assert holds == [True] * 9 + [False] * 15
    assert abs(scene.block[2] - table.TABLE_HEIGHT) < 0.002
    far = _scene(hand=(0.7, 0.03, 0.024, 0.0))
    far.step(np.array([0, 0, 0, 0, 1.0]))
    assert not far.holds


def test_actions_move_the_hand_and_stay_in_the_box() -> None:
    scene = _scene()
    before = np.append(scene.hand, scene.yaw)
    scene.step(np.array([1.0, -1.0, -1.0, 1.0, -1.0]))
    moved = np.append(scene.hand, scene.yaw) - before
    assert (moved[[0, 3]] > 0.01).all()
    assert (moved[1:3] < -0.01).all()
    for _ in range(40):
        scene.step(np.array([5.0, 5.0, 5.0, 5.0, -1.0]))
    assert (scene.hand < table.HIGH + 0.005).all()
    assert scene.yaw < table.YAW_LIMIT + 0.05


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({}, "table"),
        ({"block": (0.52, 0.13, table.LID_HEIGHT)}, "lid"),
        ({"block": (0.633, 0.107, table.TRAY_HEIGHT), "opening": 0.1}, "drawer"),
    ],
)
def test_where_the_block_is(changes: dict[str, Any], place: str) -> None:
    assert table.block_place(_scene(**changes).state()) == place


def test_success_has_the_thresholds_that_are_documented() -> None:
    goal = _scene(block=(0.52, 0.13, table.LID_HEIGHT)).state()

    def at(index: int, value: float) -> bool:
        state = goal.copy()
        state[index] = value
        return table.solved(state, goal)

    assert table.solved(goal, goal)
    assert at(9, 0.049)
    assert not at(9, 0.051)
    assert at(12, goal[12] + 0.009)
    assert not at(12, goal[12] + 0.011)
    assert at(11, goal[11] + 0.06)
    assert not at(11, goal[11] + 0.085)
    assert not at(15, 3)
    assert at(0, 0.8)  # the hand may be anywhere


@needs_pictures
def test_pictures_show_the_drawer_the_block_the_cylinder_and_the_hand() -> None:
    env = TabletopImages()
    observation, _ = env.reset(seed=0, options={"goal": 2})
    image = observation["observation"].reshape(IMAGE).astype(int)
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    assert ((red > 120) & (green < 60)).sum() > 20  # the cylinder
    assert ((green > 100) & (red < 80)).sum() >= 6  # the block
    assert ((blue > 150) & (red < 150)).sum() > 60  # the frame and the drawer
    assert (image.max(-1) < 90).sum() > 15  # the hand
    assert env.render().shape == (240, 320, 3)


def test_the_goals_have_their_names_in_figures() -> None:
    assert task("TabletopImages").goal_names == tuple(goal.name for goal in EVALUATION_GOALS)
