"""Playing policies: files that show the episodes, numbers that are those of the evaluation, mistakes in one line."""

from __future__ import annotations

import ctypes.util
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

pytest.importorskip("gymnasium_robotics")

from smore_sweep.cli.main import main
from smore_sweep.data.rollout import rollout
from smore_sweep.rendering import animation
from smore_sweep.results import record
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import DIVERGED, PARTIAL, Record
from smore_sweep.smore import SMORe
from smore_sweep.spec import Budget, RunSpec
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.tasks import TASKS
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

    def keep(kept: Sequence[tuple[str, Record]]) -> None:
        for run_id, made in kept:
            record.save(folder, run_id, made)

    learner = build_learner(RUNS, store, torch.device("cpu"))
    train(RUNS, learner, [Record(run.content()) for run in RUNS], keep=keep, tick=lambda _: None)
    return folder


def numbers(text: str) -> tuple[float, float, float]:
    """Return, success and final distance, as printed."""
    found = re.search(r"return at 0.99 ([\d.]+), success ([\d.]+), final distance ([\d.]+)\n", text)
    assert found is not None
    return float(found[1]), float(found[2]), float(found[3])


def test_an_expert_is_animated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new folder" / "reach.gif"
    assert main(["play", "PointReach", "--seed", "3", "--output", str(path)]) == 0
    out = capsys.readouterr().out
    assert "PointReach · expert · 1 episode: " in out
    assert f"wrote {path} and {path.with_suffix('.png')}" in out
    _, success, distance = numbers(out)
    assert (success, distance) == (1.0, 0.0)
    with Image.open(path) as drawn:
        frames = [np.asarray(frame.convert("RGB"), int) for frame in ImageSequence.Iterator(drawn)]
    assert len(frames) == 1 + animation.MOST_STEPS
    with Image.open(path.with_suffix(".png")) as picture:
        stills = np.split(np.asarray(picture.convert("RGB"), int), animation.STILLS, axis=1)
    for still, frame in ((stills[0], frames[0]), (stills[-1], frames[-1])):
        assert np.abs(still - frame).max() < 10  # up to the rounding of colours
    assert np.abs(frames[0] - frames[-1]).max() > 100


def test_a_run_plays_the_episodes_of_its_evaluation(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for run in RUNS:
        made = record.load(results, run.run_id)
        assert made is not None
        assert not made.learner
        options = ["--results", str(results), "--seed", "3", "--episodes", "2"]
        assert main(["play", "PointReach", "--policy", run.run_id[:12], *options]) == 0
        evaluated = made.evaluations[BUDGET.updates]
        summary = Outcomes(*(array[3:5] for array in vars(evaluated).values())).summary()
        played = numbers(capsys.readouterr().out)
        assert played == (
            round(summary["return99"], 2),
            round(summary["success"], 2),
            round(summary["final_distance"], 4),
        )
        said.append(played)
        assert (results / "play" / f"PointReach-{run.run_id}.gif").exists()
    assert said[0] != said[1]


def test_random_episodes_are_as_their_numbers_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    played = []
    for seed in (0, 0, 1):
        options = ["--policy", "random", "--output", str(tmp_path / "x.gif"), "--seed", str(seed)]
        assert main(["play", "PointRooms", *options]) == 0
        played.append(numbers(capsys.readouterr().out)[2])
    assert played[0] == played[1] != played[2]


@pytest.mark.parametrize(
    ("options", "said"),
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
        (["PointReach", "--policy", ""], "2 runs in "),
        (
            ["PointRooms", "--policy", RUNS[0].run_id],
            f"run {RUNS[0].run_id} was trained on PointReach, not on PointRooms",
        ),
        (["PointReach", "--episodes", "0"], "episodes = 0 is not valid; it must be a whole number of at least 1"),
        (["PointReach", "--seed", "-1"], "seed = -1 is not valid; it must be a whole number of at least 0"),
        (["PointReach", "--output", "a.mp4"], "a.mp4 is not a name for this picture; it must end in .gif"),
        (["--sheet", "a.gif"], "a.gif is not a name for this picture; it must end in .png"),
    ],
)
def test_mistakes_are_said_in_one_line(
    options: list[str], said: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["play", *options, "--results", str(results)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_records_that_hold_no_policy_of_today(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = RUNS[0].run_id

    def error(status: str = "done", *, policy: bool = True, **content: object) -> str:
        made = record.load(results, run_id)
        assert made is not None
        made.status = status
        made.content |= content
        made.policy = made.policy if policy else {}
        record.save(tmp_path, run_id, made)
        assert main(["play", "PointReach", "--policy", run_id, "--results", str(tmp_path)]) == 2
        (tmp_path / "runs" / run_id / "done.npz").unlink(missing_ok=True)
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        return said

    assert "was made before policies were kept; remove its folder" in error(policy=False)
    assert "is diverged; a policy is kept of done runs only" in error(DIVERGED)
    assert "unknown method 'os:system'; the methods are: smore, " in error(method="os:system")
    assert "SMORe has no field 'bata'" in error(knobs={"bata": 0.5})
    assert "the policy is not one of SMORe as it is now" in error(knobs={"hidden": 17})
    assert "is partial; a policy is kept of done runs only" in error(PARTIAL)


def test_a_machine_that_cannot_draw(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: None)
    monkeypatch.setattr("sys.platform", "linux")
    assert main(["play", "Reacher"]) == 2
    error = capsys.readouterr().err
    assert "Reacher cannot be drawn (there is no display, and no library to draw without one); install libegl1" in error
    assert error.count("\n") == 1


def test_a_sheet_has_a_row_for_every_kind_of_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = {name: TASKS[name] for name in ("PointReach", "PointRooms")}
    monkeypatch.setattr(animation, "TASKS", tasks)
    path = tmp_path / "sheet.png"
    assert main(["play", "--sheet", str(path)]) == 0
    with Image.open(path) as sheet:
        pixels = np.asarray(sheet.convert("L"), int)[:, -animation.STILLS * animation.SHEET_WIDTH :]
    walls = [int((half == 140).sum()) for half in np.split(pixels, 2)]
    assert walls[1] > walls[0] + 100
