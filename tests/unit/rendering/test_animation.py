"""Animations of policies: the files, the numbers of the evaluation, mistakes in one line."""

from __future__ import annotations

import ctypes.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

pytest.importorskip("gymnasium_robotics")

from examples.wall.world import Wall
from smore_sweep.cli.main import main
from smore_sweep.data.rollout import rollout
from smore_sweep.envs import backends
from smore_sweep.hashing import digest
from smore_sweep.rendering import animation
from smore_sweep.results import run_files
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import DIVERGED, PARTIAL, Record
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.smore import SMORe
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.rng import Draws
from smore_sweep.task import Task
from smore_sweep.tasks import TASKS
from smore_sweep.training.evaluation import evaluate
from smore_sweep.training.loop import build_learner, train

BUDGET = Budget(episodes=20, updates=100, batch_size=64, evaluate_every=100, evaluation_episodes=1, final_episodes=5)
METHOD = SMORe(hidden=16, learning_rate=5e-3)
RUNS = [
    RunSpec(method=METHOD, task="PointReach", expert_share=0.5, seed=seed, scale="test", budget=BUDGET)
    for seed in range(2)
]


@pytest.fixture(autouse=True)
def short_animations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animation, "MOST_STEPS", 6)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with two short runs, trained without Ray."""
    folder = tmp_path_factory.mktemp("results")
    pools = [rollout("PointReach", policy, 0, 10) for policy in ("expert", "random")]
    store = EpisodeStore.build(pools[0], pools[1], TASKS["PointReach"].threshold)

    def keep(records: Sequence[tuple[str, Record]]) -> None:
        for run_id, latest in records:
            run_files.save(folder, run_id, latest)

    learner = build_learner(RUNS, store, torch.device("cpu"))
    train(RUNS, learner, [Record(run.content()) for run in RUNS], keep=keep, tick=lambda _: None)
    return folder


def numbers(text: str) -> tuple[float, float, float]:
    """Parse the printed return, success and final distance."""
    match = re.search(r"return at 0.99 ([\d.]+), success ([\d.]+), final distance ([\d.]+)\n", text)
    assert match is not None
    return float(match[1]), float(match[2]), float(match[3])


def test_an_expert_is_animated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new folder" / "reach.gif"
    assert main(["play", "PointReach", "--seed", "3", "--output", str(path)]) == 0
    out = capsys.readouterr().out
    assert "PointReach · expert · 1 episode: " in out
    assert f"wrote {path} and {path.with_suffix('.png')}" in out
    _, success, distance = numbers(out)
    assert (success, distance) == (1.0, 0.0)
    with Image.open(path) as animated:
        frames = [np.asarray(frame.convert("RGB"), int) for frame in ImageSequence.Iterator(animated)]
    assert len(frames) == 1 + animation.MOST_STEPS
    with Image.open(path.with_suffix(".png")) as picture:
        stills = np.split(np.asarray(picture.convert("RGB"), int), animation.STILLS, axis=1)
    for still, frame in ((stills[0], frames[0]), (stills[-1], frames[-1])):
        assert np.abs(still - frame).max() < 10  # up to the rounding of colours
    assert np.abs(frames[0] - frames[-1]).max() > 100


def test_a_run_plays_the_episodes_of_its_evaluation(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for run in RUNS:
        done = run_files.load(results, run.run_id)
        assert done is not None
        assert not done.learner
        options = ["--results", str(results), "--seed", "3", "--episodes", "2"]
        assert main(["play", "PointReach", "--policy", run.run_id[:12], *options]) == 0
        outcomes = done.evaluations[BUDGET.updates]
        summary = Outcomes(*(array[3:5] for array in vars(outcomes).values())).summary()
        printed.append(numbers(capsys.readouterr().out))
        assert printed[-1] == (
            round(summary["return99"], 2),
            round(summary["success"], 2),
            round(summary["final_distance"], 4),
        )
        assert (results / "play" / f"PointReach-{run.run_id}.gif").exists()
    assert printed[0] != printed[1]


class Turns(Wall):
    """A wall whose goals take turns, and whose own test of success is another than the distance."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self._goal = np.array([0.3 * (options or {"goal": 0})["goal"], 0.9])
        return self._observation(), {}

    def step(self, action: Any) -> Any:
        observation, reward, _, truncated, _ = super().step(action)
        success = bool(observation["achieved_goal"][0] > observation["desired_goal"][0])
        return observation, reward, success, truncated, {"success": success}


def test_goals_take_turns_and_the_environment_decides_as_in_an_evaluation(tmp_path: Path) -> None:
    turns = Task("Turns", Turns, threshold=0.1, horizon=25, goals=3, success="environment")

    class Right:
        def act(self, observations: Any, goals: Any, draws: Draws) -> Any:
            return np.ones((*observations.shape[:2], 2), np.float32)

    env = turns.make(render_mode="rgb_array")
    path = tmp_path / "turns.gif"
    filmed = animation.film(env, turns, lambda _: lambda _: np.ones(2, np.float32), range(6), path)
    evaluated = evaluate({0: Right()}, turns, episodes=6)[0]
    for name, values in vars(evaluated).items():
        np.testing.assert_array_equal(vars(filmed)[name], values, err_msg=name)
    assert 0 < filmed.succeeded.any(1).sum() < 6


def test_random_episodes_depend_on_their_number_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    distances = []
    for seed in (0, 0, 1):
        options = ["--policy", "random", "--output", str(tmp_path / "x.gif"), "--seed", str(seed)]
        assert main(["play", "PointRooms", *options]) == 0
        distances.append(numbers(capsys.readouterr().out)[2])
    assert distances[0] == distances[1] != distances[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "name a task to play, such as FetchPush, or give --sheet FILE.png"),
        (["PointPush"], "unknown task 'PointPush'; the tasks are: Reacher, "),
        (
            ["PointReach", "--policy", "medium"],
            "PointReach has no policy 'medium'; it has: expert, random, or give the",
        ),
        (
            ["PointReach", "--policy", "0g"],
            "PointReach has no policy '0g'; it has: expert, random, or give the id of a",
        ),
        (["Tabletop", "--policy", "primitives"], "Tabletop has no policy 'primitives'; it has: random, or give the id"),
        (["PointReach", "--policy", ""], "policy '' is ambiguous; 2 runs in "),
        (
            ["PointRooms", "--policy", RUNS[0].run_id],
            f"run {RUNS[0].run_id} was trained on PointReach, not on PointRooms",
        ),
        (["PointReach", "--episodes", "0"], "episodes = 0 is not valid; it must be a whole number of at least 1"),
        (["PointReach", "--seed", "-1"], "seed = -1 is not valid; it must be a whole number of at least 0"),
        (["PointReach", "--output", "a.mp4"], "output file a.mp4 is not valid; its name must end in .gif"),
        (["--sheet", "a.gif"], "output file a.gif is not valid; its name must end in .png"),
    ],
)
def test_mistakes_are_one_line(
    options: list[str], message: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["play", *options, "--results", str(results)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_records_without_a_usable_policy(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = RUNS[0].run_id

    def error(status: str = "done", *, policy: bool = True, **content: object) -> str:
        changed = run_files.load(results, run_id)
        assert changed is not None
        changed.status = status
        changed.content |= content
        changed.policy = changed.policy if policy else {}
        changed_id = digest(changed.content)
        run_files.save(tmp_path, changed_id, changed)
        assert main(["play", "PointReach", "--policy", changed_id, "--results", str(tmp_path)]) == 2
        (tmp_path / "runs" / changed_id / "done.npz").unlink(missing_ok=True)
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        return message

    assert "has an old record without a policy; remove its folder" in error(policy=False)
    assert "is diverged; only done runs have a policy" in error(DIVERGED)
    assert "unknown method 'os:system'; the methods are: smore, " in error(method="os:system")
    assert "SMORe has no field 'bata'" in error(knobs={"bata": 0.5})
    assert "the policy is not one of SMORe as it is now" in error(knobs={"hidden": 17})
    assert "is partial; only done runs have a policy" in error(PARTIAL)


def test_a_machine_that_cannot_draw(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(backends, "_egl_devices", lambda: 0)
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: None)
    monkeypatch.setattr("sys.platform", "linux")
    assert main(["play", "Reacher"]) == 2
    error = capsys.readouterr().err
    assert "Reacher cannot be drawn (there is no display, and no library to draw without one); install libegl1" in error
    assert error.count("\n") == 1


def test_a_sheet_has_a_row_per_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = {name: TASKS[name] for name in ("PointReach", "PointRooms")}
    monkeypatch.setattr(animation, "TASKS", tasks)
    path = tmp_path / "sheet.png"
    assert main(["play", "--sheet", str(path)]) == 0
    with Image.open(path) as sheet:
        pixels = np.asarray(sheet.convert("L"), int)[:, -animation.STILLS * animation.SHEET_WIDTH :]
    walls = [int((half == 140).sum()) for half in np.split(pixels, 2)]
    assert walls[1] > walls[0] + 100
