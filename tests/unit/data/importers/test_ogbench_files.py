"""OGBench's files: of states and of images, with the validation sets beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from baselines.image_smore import ImageSMORe
from smore_sweep import Budget
from smore_sweep.cli.main import main
from smore_sweep.data import pools
from smore_sweep.errors import DatasetError
from smore_sweep.run_spec import RunSpec
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.tasks import task
from smore_sweep.training.loop import build_learner

EPISODES, STEPS = 3, 4


@pytest.fixture(autouse=True)
def _datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))


def series(name: str, seed: int = 0) -> dict[str, NDArray[Any]]:
    """A file's arrays as OGBench saves them; every state is another one."""
    random, sizes = np.random.default_rng(seed), task(name).sizes
    states: NDArray[Any] = random.normal(size=(EPISODES * (STEPS + 1), sizes.observation)).astype(np.float32)
    if sizes.image:
        states = random.integers(0, 256, (len(states), *sizes.image), np.uint8)
    return {
        "observations": states,
        "actions": random.uniform(-1, 1, (len(states), sizes.action)).astype(np.float32),
        "terminals": np.tile(np.arange(STEPS + 1) == STEPS, EPISODES).astype(np.float32),
    }


@pytest.mark.parametrize("name", ["antmaze-medium-navigate", "visual-cube-single-play"])
def test_a_file_and_its_validation_set_are_sources_of_their_own(name: str, tmp_path: Path) -> None:
    row = task(name)
    files = {"ogbench": series(name), "ogbench-val": series(name, seed=1)}
    for source, ending in (("ogbench", ""), ("ogbench-val", "-val")):
        np.savez(tmp_path / f"{name}-v0{ending}.npz", **files[source])  # type: ignore[arg-type]
    assert main(["data", "import", "ogbench", str(tmp_path / f"{name}-v0.npz")]) == 0
    for source, content in files.items():
        episodes = pools.load(name, row.dataset, EPISODES, source)
        states = content["observations"].reshape(EPISODES, STEPS + 1, -1)
        assert episodes.observations.dtype == row.sizes.dtype
        np.testing.assert_array_equal(episodes.observations, states)
        np.testing.assert_array_equal(episodes.achieved_goals, states)
        np.testing.assert_array_equal(episodes.desired_goals, states[:, -1])
        actions = content["actions"].reshape(EPISODES, STEPS + 1, -1)[:, :-1]
        np.testing.assert_array_equal(episodes.actions, actions)


def test_a_folder_is_all_of_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["pointmaze-medium-navigate", "antmaze-large-explore"]
    for name in names:
        np.savez(tmp_path / f"{name}-v0.npz", **series(name))  # type: ignore[arg-type]
    np.savez(tmp_path / "notes.npz", observations=np.zeros(3))
    assert main(["data", "import", "ogbench", str(tmp_path), "--source", "theirs"]) == 0
    assert [pools.available(name, task(name).dataset, "theirs") for name in names] == [EPISODES] * 2


def test_a_file_may_be_as_large_as_the_memory_and_no_larger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "visual-cube-single-play"
    arrays, path = series(name), tmp_path / f"{name}-v0.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    size = sum(array.nbytes for array in arrays.values())
    monkeypatch.setattr("smore_sweep.data.importers.npz.usable_memory", lambda: size - 1)
    assert main(["data", "import", "ogbench", str(path)]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert f"declares {size:,} bytes of numbers, more than the {size - 1:,} of this machine's memory" in told
    assert pools.available(name, task(name).dataset, "ogbench") == 0
    monkeypatch.setattr("smore_sweep.data.importers.npz.usable_memory", lambda: size)
    assert main(["data", "import", "ogbench", str(path)]) == 0


def test_who_lacks_the_files_is_told_how_to_import_them() -> None:
    with pytest.raises(DatasetError, match=r"import them with: smore-sweep data import ogbench FILE$"):
        pools.load("antmaze-medium-navigate", "navigate", 1, "ogbench")


def test_a_method_learns_from_an_imported_file_of_images(tmp_path: Path) -> None:
    name = "visual-cube-single-play"
    np.savez(tmp_path / f"{name}-v0.npz", **series(name))  # type: ignore[arg-type]
    assert main(["data", "import", "ogbench", str(tmp_path / f"{name}-v0.npz")]) == 0
    row, budget = task(name), Budget(
        episodes=EPISODES, updates=3, batch_size=8, evaluate_every=3, evaluation_episodes=1, final_episodes=1
    )  # fmt: skip
    episodes = pools.load(name, row.dataset, EPISODES, "ogbench")
    store = EpisodeStore.build(episodes, episodes.first(0), row.threshold, row.sizes.image)
    method = ImageSMORe(hidden=16, her_ratio=1.0)
    run = RunSpec(
        method=method, task=name, expert_share=1.0, seed=0, scale="smoke", budget=budget, source="ogbench"
    )  # fmt: skip
    learner = build_learner([run], store, torch.device("cpu"))
    before = learner.policies()[0]
    for _ in range(3):
        learner.update()
    after = learner.policies()[0]
    assert not learner.diverged().any()
    assert all((before[key] != after[key]).any() for key in before if key.endswith("w0"))


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("cube-single-play.npz", {}, "is no name of an OGBench file; it must be such as cube-single-play-v0.npz"),
        ("cube-singel-play-v0.npz", {}, "cube-single-play"),
        ("visual-cube-single-play-v0.npz", {"observations": np.zeros((15, 64, 64, 3))}, "images must be of uint8"),
        ("visual-cube-single-play-v0.npz", {"observations": np.zeros((15, 8, 8, 3), np.uint8)}, "have 192 numbers"),
        ("visual-cube-single-play-v0.npz", {"observations": np.zeros((12, 9), np.uint8)}, "beside 12 observations"),
        ("visual-cube-single-play-v0.npz", {"terminals": np.arange(15) % 4 == 0}, "the last episode is not whole"),
        ("visual-cube-single-play-v0.npz", {"terminals": np.arange(15) > 8}, "all must have as many, 2 or more"),
        ("antmaze-medium-navigate-v0.npz", {"observations": np.zeros((15, 64, 64, 3), np.uint8)}, "[K, o]"),
    ],
)
def test_other_files_are_refused_with_a_sentence(
    name: str, change: dict[str, Any], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / name, **series("visual-cube-single-play") | change)
    assert main(["data", "import", "ogbench", str(tmp_path / name)]) == 2
    shown = capsys.readouterr().err
    assert told in " ".join(shown.split())
    assert "Traceback" not in shown


def test_a_path_that_does_not_exist_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "import", "ogbench", str(tmp_path / "nothere")]) == 2
    assert f"there is no file or folder {tmp_path / 'nothere'}" in " ".join(capsys.readouterr().err.split())
