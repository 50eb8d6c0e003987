"""Tasks of a user's own: what is read off the environment, and what is refused."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import cloudpickle
import gymnasium
import numpy as np
import pytest

from examples.wall.world import Wall, walk
from smore_sweep import Sizes, Task
from smore_sweep.errors import DeclarationError
from smore_sweep.goal_environment import PARTS
from smore_sweep.tasks import TASKS, declare, pools_of, task


def test_sizes_and_horizon_are_read_off_the_environment() -> None:
    assert Task("Wall", Wall, threshold=0.1, horizon=40).sizes == Sizes(2, 2, 2)
    gymnasium.register("tests/Wall-v0", lambda **options: Wall(**options), max_episode_steps=17)
    row = Task("Wall", "tests/Wall-v0", threshold=0.1)
    assert (row.sizes, row.horizon) == (Sizes(2, 2, 2), 17)


class Told(Wall):
    """Its steps say whether they are a success."""

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, _ = super().step(action)
        return observation, reward, terminated, truncated, {"success": True}


def test_the_form_of_images_is_declared() -> None:
    pixels = BOX(0, 255, (2,), np.uint8)
    seen = _wrapped(_set("observation_space", gymnasium.spaces.Dict(dict.fromkeys(PARTS, pixels))))
    row = Task("Wall", seen, Sizes(2, 2, 2, image=(1, 2, 1)), threshold=0.1, horizon=40)
    assert (row.sizes.image, row.sizes.dtype) == ((1, 2, 1), "uint8")
    assert row.content != Task("Wall", Wall, threshold=0.1, horizon=40).content


def test_a_registered_environment_is_known_where_it_is_not_registered() -> None:
    gymnasium.register("tests/Elsewhere-v0", lambda **options: Wall(**options), max_episode_steps=17)
    row = pickle.loads(cloudpickle.dumps(Task("Wall", "tests/Elsewhere-v0", threshold=0.1)))
    del gymnasium.registry["tests/Elsewhere-v0"]
    assert isinstance(row.make().unwrapped, Wall)


def _wrapped(change: Callable[[Any], None]) -> Callable[..., Any]:
    def make(**options: Any) -> Any:
        env = Wall(**options)
        change(env)
        return env

    return make


def _set(name: str, value: object) -> Callable[[Any], None]:
    return lambda env: setattr(env, name, value)


BOX = gymnasium.spaces.Box
GOAL = {"achieved_goal": BOX(-1, 1, (2,)), "desired_goal": BOX(-1, 1, (2,))}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("action_space", BOX(-2.0, 2.0, (2,))), "actions are in [-2, 2], they must be in [-1, 1]; wrap it in"),
        (_set("action_space", gymnasium.spaces.Discrete(3)), "the action space is Discrete(3); it must be a Box"),
        (_set("observation_space", BOX(-1, 1, (4,))), "it must be a Dict with a Box of one dimension for each of"),
        (
            _set("observation_space", gymnasium.spaces.Dict({**GOAL, "observation": BOX(-1, 1, (8, 8))})),
            "it must be a Dict with a Box of one dimension",
        ),
        (
            _set(
                "observation_space",
                gymnasium.spaces.Dict({**GOAL, "observation": BOX(-1, 1, (2,)), "desired_goal": BOX(-1, 1, (3,))}),
            ),
            "achieved goals have 2 numbers, desired ones 3",
        ),
    ],
)
def test_another_environment_is_refused(change: Callable[[Any], None], said: str) -> None:
    with pytest.raises(DeclarationError) as refusal:
        Task("Wall", _wrapped(change), threshold=0.1, horizon=40)
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"horizon": None}, "its environment has no time limit; give horizon="),
        ({"horizon": 0}, "horizon = 0 is not valid"),
        ({"horizon": 2.5}, "horizon = 2.5 is not valid"),
        ({"threshold": 0.0}, "threshold = 0.0 is not valid; it must be above 0"),
        ({"sizes": Sizes(3, 2, 2)}, "sizes = Sizes(observation=3, goal=2, action=2) is not valid"),
        ({"sizes": Sizes(2, 2, 2, image=(2, 2, 3))}, "image = (2, 2, 3) is not valid; observations have 2 numbers and"),
        ({"sizes": Sizes(2, 2, 2, image=(1, 2, 1))}, "images of 'observation' are of float64; they must be of uint8"),
        ({"success": "environmnet"}, "success = 'environmnet' is not valid; it must be a function or 'environment'"),
        ({"success": "environment"}, "its environment's steps have no info['success']"),
        ({"name": "my task"}, "task name 'my task' is not valid"),
        ({"environment": "tests/Nothing-v0"}, "Environment `Nothing` doesn't exist in namespace tests"),
        ({"environment": 3}, "environment = 3 is not valid; it must be a Gymnasium id or a function"),
        ({"environment": lambda: None}, "its environment cannot be made"),
    ],
)
def test_a_wrong_field_is_refused(fields: dict[str, Any], said: str) -> None:
    valid: dict[str, Any] = {"name": "Wall", "environment": Wall, "threshold": 0.1, "horizon": 40}
    broken = {**valid, **fields}
    if said == "its environment cannot be made":
        broken["environment"] = _raising
    with pytest.raises(DeclarationError) as refusal:
        Task(**broken)
    assert said in str(refusal.value)


def _raising(**_: Any) -> Any:
    raise OSError("no display")


def test_a_task_is_found_by_its_name_and_cannot_take_that_of_another() -> None:
    row = Task("MyWall", Wall, threshold=0.1, horizon=40)
    declare([row])
    assert task("MyWall") is row
    with pytest.raises(DeclarationError, match="'Reacher' is the name of a task that ships"):
        declare([Task("Reacher", Wall, threshold=0.1, horizon=40)])


def wall(name: str, **fields: Any) -> Task:
    return Task(name, Wall, threshold=0.1, horizon=40, **fields)


def test_a_task_may_have_the_data_of_another() -> None:
    declare([wall("WallPlay", dataset="play"), wall("WallHome", goals=1, dataset="play", data_of="WallPlay")])
    assert pools_of("WallHome") == pools_of("WallPlay") == [("WallPlay", "play")]
    assert task("WallHome").content["data_of"] == "WallPlay"


@pytest.mark.parametrize(
    ("data_of", "said"),
    [
        ("WallPlaye", "unknown task 'WallPlaye'"),
        ("Reacher", "Reacher has Sizes(observation=11, goal=2, action=2), and WallGuest Sizes(observation=2, goal=2"),
        ("WallHome", "WallHome has those of 'WallPlay': give that one"),
        ("WallPlay", "give WallGuest the dataset= and suboptimal= of WallPlay too"),
    ],
)
def test_the_data_of_an_unlike_task_are_refused(data_of: str, said: str) -> None:
    declare([wall("WallPlay", dataset="play"), wall("WallHome", dataset="play", data_of="WallPlay")])
    declare([wall("WallGuest", data_of=data_of)])
    with pytest.raises(DeclarationError) as refusal:
        pools_of("WallGuest")
    assert said in str(refusal.value)


def test_what_is_declared_is_part_of_a_run() -> None:
    def content(**fields: Any) -> dict[str, Any]:
        return Task("Wall", Told, threshold=0.1, **{"horizon": 40, **fields}).content

    assert content() == content()
    assert content() != content(horizon=41)
    assert content() != content(suboptimal="medium", medium=walk)
    assert content() != content(goals=5)
    assert content(goals=5) != content(goals=4)
    assert content() != content(success="environment")
    assert all(not row.content for row in TASKS.values())


def test_a_task_has_its_own_success() -> None:
    row = Task("Wall", Wall, threshold=0.1, horizon=40, success=lambda achieved, desired: achieved[..., 0] > 0)
    assert row.succeeded(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.zeros(2), None).tolist() == [True, False]


def test_images_of_another_kind_are_refused_where_they_are_made() -> None:
    row = dataclasses.replace(
        task("TabletopImages"), trajectories=lambda *_: (np.zeros((2, 4), np.float32), np.zeros((1, 2), np.float32))
    )
    with pytest.raises(DeclarationError, match="gives images of float32; they must be of uint8"):
        row.make_trajectory(0)


def test_a_task_without_an_expert_says_how_to_get_data() -> None:
    row = Task("Wall", Wall, threshold=0.1, horizon=40)
    with pytest.raises(DeclarationError, match="Wall has no expert policy to roll out"):
        row.policy("expert")
    assert Task("Wall", Wall, threshold=0.1, horizon=40, expert=walk).policy("expert") is walk
