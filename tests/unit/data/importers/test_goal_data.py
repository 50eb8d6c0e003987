"""Episodes of one's own: npz files of both forms, and Minari's datasets of goal environments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from numpy.typing import NDArray

from examples.wall.world import Wall
from smore_sweep import Sizes, Task
from smore_sweep.cli.main import main
from smore_sweep.data import pools
from smore_sweep.tasks import declare

Arrays = dict[str, NDArray[Any]]
EPISODES, STEPS = 3, 5
GOALS = {name: gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float64) for name in ("achieved_goal", "desired_goal")}


@pytest.fixture(autouse=True)
def _datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    declare([Task("Wall", Wall, threshold=0.1, horizon=STEPS)])


def whole() -> Arrays:
    """Whole episodes, every number another one."""
    random = np.random.default_rng(0)
    return {
        "observations": random.uniform(-1, 1, (EPISODES, STEPS + 1, 2)),
        "actions": random.uniform(-1, 1, (EPISODES, STEPS, 2)),
        "achieved_goals": random.uniform(-1, 1, (EPISODES, STEPS + 1, 2)),
        "desired_goals": random.uniform(-1, 1, (EPISODES, 2)),
    }


def series() -> Arrays:
    """The same episodes as a series of steps; the last action of each leads nowhere."""
    form = whole()
    unused = np.full((EPISODES, 1, 2), 0.5)
    return {
        "observations": form["observations"].reshape(-1, 2),
        "achieved_goals": form["achieved_goals"].reshape(-1, 2),
        "actions": np.concatenate([form["actions"], unused], 1).reshape(-1, 2),
        "desired_goals": np.repeat(form["desired_goals"], STEPS + 1, 0),
        "terminals": np.tile(np.arange(STEPS + 1) == STEPS, EPISODES),
    }


def imported(folder: Path, arrays: Arrays, *options: str) -> int:
    np.savez(folder / "data.npz", **arrays)  # type: ignore[arg-type]
    return main(["data", "import", "npz", str(folder / "data.npz"), "--task", "Wall", "--source", "mine", *options])


@pytest.mark.parametrize("form", [whole, series])
def test_both_forms_give_the_same_episodes(form: Any, tmp_path: Path) -> None:
    assert imported(tmp_path, form()) == 0
    episodes = pools.load("Wall", "expert", EPISODES, "mine")
    for name, array in whole().items():
        np.testing.assert_array_equal(vars(episodes)[name], array.astype(np.float32))


@pytest.mark.parametrize("form", [whole, series])
def test_both_forms_give_the_same_images(form: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    declare([Task("Wall", Pictures, Sizes(2, 2, 2, image=(1, 2, 1)), threshold=0.1, horizon=STEPS)])
    assert imported(tmp_path, form()) == 2
    assert "its observations are of float64; images must be of uint8" in capsys.readouterr().err
    assert pools.available("Wall", "expert", "mine") == 0

    arrays = form()
    pixels = (127 * (arrays["observations"] + 1)).astype(np.uint8)
    arrays["observations"] = pixels.reshape(*pixels.shape[:-1], 1, 2, 1)
    assert imported(tmp_path, arrays) == 0
    episodes = pools.load("Wall", "expert", EPISODES, "mine")
    np.testing.assert_array_equal(episodes.observations, pixels.reshape(EPISODES, STEPS + 1, 2))
    np.testing.assert_array_equal(episodes.achieved_goals, episodes.observations)
    np.testing.assert_array_equal(episodes.actions, whole()["actions"].astype(np.float32))


def test_goals_from_the_observations(tmp_path: Path) -> None:
    arrays = series()
    del arrays["achieved_goals"], arrays["desired_goals"]
    arrays["observations"] = np.concatenate([np.zeros((len(arrays["actions"]), 1)), arrays["observations"]], 1)
    declare([Task("Wall", Taller, threshold=0.1, horizon=STEPS)])
    assert imported(tmp_path, arrays, "--goal", "1:3") == 0
    episodes = pools.load("Wall", "expert", EPISODES, "mine")
    np.testing.assert_array_equal(episodes.achieved_goals, episodes.observations[..., 1:])
    np.testing.assert_array_equal(episodes.desired_goals, episodes.achieved_goals[:, -1])


class Pictures(Wall):
    """With two pixels for what is seen, reached and wanted."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        picture = gymnasium.spaces.Box(0, 255, (2,), np.uint8)
        self.observation_space = gymnasium.spaces.Dict({**dict.fromkeys(GOALS, picture), "observation": picture})


class Taller(Wall):
    """With one more number in the observation."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        taller = gymnasium.spaces.Box(-1.0, 1.0, (3,), np.float64)
        self.observation_space = gymnasium.spaces.Dict({**GOALS, "observation": taller})


def test_unequal_episodes_are_refused_or_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arrays = _without("desired_goals")
    arrays["terminals"][STEPS] = False  # the first two become one of 11 steps
    assert imported(tmp_path, arrays) == 2
    assert "unequal length (episode 0: 11 steps, episode 1: 5); --cut N makes" in capsys.readouterr().err
    assert imported(tmp_path, arrays, "--cut", "5") == 0
    assert pools.available("Wall", "expert", "mine") == 3
    episodes = pools.load("Wall", "expert", 3, "mine")
    np.testing.assert_array_equal(episodes.observations[1], arrays["observations"][5:11].astype(np.float32))
    assert imported(tmp_path, arrays, "--cut", "12") == 2
    assert "holds no episode of 12 steps; its longest has 11" in capsys.readouterr().err


def _without(name: str) -> Arrays:
    return {key: array for key, array in series().items() if key != name}


def _with(**changes: NDArray[Any]) -> Arrays:
    return series() | changes


def _at(name: str, index: tuple[int, int], value: float) -> Arrays:
    arrays = series()
    arrays[name][index] = value
    return arrays


@pytest.mark.parametrize(
    ("arrays", "options", "said"),
    [
        (_without("actions"), [], "is refused: it lacks actions; it holds"),
        (_without("achieved_goals"), [], "it holds no achieved_goals; give --goal FIRST:END"),
        (_without("achieved_goals"), ["--goal", "1:4"], "--goal 1:4 is beyond its 2 observations"),
        (series(), ["--goal", "two"], "--goal two is not valid; give the columns"),
        (_without("terminals"), [], "a series of steps without terminals"),
        (_with(terminals=np.zeros(18, bool)), [], "its last step is not a terminal"),
        (_with(terminals=np.ones(18, bool)), [], "its episode of one state at step 0 has no transition"),
        (_with(actions=np.zeros((4, 2))), [], "its actions have shape (4, 2); beside 18 observations"),
        (_with(terminals=np.array(True)), [], "its terminals have shape (); beside 18 observations"),
        (_with(desired_goals=np.arange(36.0).reshape(18, 2)), [], "its desired_goals change within the episode"),
        (_with(observations=np.zeros(18)), ["--goal", "0:1"], "its observations have shape (18,)"),
        (_with(actions=np.array([{}] * 18)), [], "is refused: it"),
        (_with(actions=np.zeros((18, 2), complex)), [], "holds actions of type"),
        (_with(actions=np.zeros((18, 3))), [], "its actions have 3 numbers, those of Wall have 2"),
        (_at("observations", (7, 1), np.nan), [], "holds nan among its observations (episode 1, step 1)"),
        (_at("actions", (2, 0), np.inf), [], "holds inf among its actions (episode 0, step 2)"),
        (series(), ["--policy", "medium"], "unknown pool 'medium'; the pools are: expert, random (of Wall)"),
        (series(), ["--cut", "0"], "cut = 0 is not valid"),
        (series(), ["--source", "../x"], "source '../x' is not valid"),
        (series(), ["--task", "Wal"], "unknown task 'Wal'"),
        (
            whole() | {"actions": np.zeros((3, 6, 2))},
            [],
            "its actions have shape (3, 6, 2); beside observations (3, 6, 2)",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    arrays: Arrays, options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imported(tmp_path, arrays, *options) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "datasets" / "smore-mine" / "Wall" / "expert-v1").exists()


def test_a_size_that_the_file_does_not_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import io
    import zipfile

    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 2)})
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as file:
        for name in ("observations", "actions"):
            file.writestr(f"{name}.npy", header.getvalue())
    assert main(["data", "import", "npz", str(tmp_path / "data.npz"), "--task", "Wall"]) == 2
    assert "declares 16,000,000,000,000 bytes of observations and stores 0" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:Implicitly cleaning up", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_minaris_collector_works_in_our_environments_and_its_data_are_imported(tmp_path: Path) -> None:
    import minari

    pytest.importorskip("jax", reason="Minari's collector needs jax: pip install minari[create]")
    env = minari.DataCollector(
        gymnasium.make("smore_sweep.envs:smore/PointReach-v0", max_episode_steps=5), record_infos=False
    )
    states = []
    for seed in range(3):
        observation, _ = env.reset(seed=seed)
        states.append([observation])
        for _ in range(5):
            observation, *_ = env.step(np.asarray(env.action_space.sample()))
            states[-1].append(observation)
    people = dict.fromkeys(("author", "author_email", "code_permalink", "description"), "mine")
    env.create_dataset("mine/points-v0", algorithm_name="random", eval_env="smore/PointReach-v0", **people)
    env.close()
    options = ["--task", "PointReach", "--policy", "random", "--source", "mine"]
    assert main(["data", "import", "minari", "mine/points-v0", *options]) == 0
    episodes = pools.load("PointReach", "random", 3, "mine")
    for number, sequence in enumerate(states):
        np.testing.assert_allclose(
            episodes.observations[number], [state["observation"] for state in sequence], atol=1e-6
        )
        np.testing.assert_allclose(episodes.desired_goals[number], sequence[0]["desired_goal"], atol=1e-6)
