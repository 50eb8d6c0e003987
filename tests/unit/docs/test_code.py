"""Every block of Python is a file that a test runs, and every other block of a known kind is checked."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from smore_sweep import user_code
from smore_sweep.cli.main import main
from smore_sweep.data import pools
from smore_sweep.data.rollout import rollout
from smore_sweep.discovery import load_sweep
from smore_sweep.plugins import installed
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.smore import SMORe
from smore_sweep.stacked.rng import Draws
from smore_sweep.task import Sizes
from smore_sweep.tasks import task
from smore_sweep.training.check import check_method
from tests.finished import finish
from tests.unit.docs.pages import DOCS, FENCE, PAGES, ROOT, blocks

INCLUDED = re.compile(r"^ *```\{literalinclude\} (\S+)$", re.MULTILINE)
RUN = {
    "README.md": "tests/unit/docs/test_outputs.py",
    "sweeps/coverage_ablation.py": "tests/unit/test_discovery.py",
    "examples/cloning/hindsight_bc.py": "tests/contract/test_example.py",
    "examples/wall/wall.py": "tests/e2e/test_own_project.py",
    "examples/wall/world.py": "tests/e2e/test_own_project.py",
    "examples/wall/td3bc.py": "tests/e2e/test_own_project.py",
    "examples/wall/make_data.py": "tests/e2e/test_own_project.py",
} | dict.fromkeys(
    (
        "examples/ants.py",
        "examples/cloning/sweep.py",
        "examples/wall/play.py",
        "examples/images/dots.py",
        "examples/wall/best_of_n.py",
        "examples/summary.py",
        "examples/read_record.py",
        "examples/slow_expert.py",
    ),
    "tests/unit/docs/test_code.py",
)
"""The files that pages show, and the test that runs each."""


def _example(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / "examples" / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_file_that_a_page_shows_is_run_by_a_test() -> None:
    shown = {
        str((page.parent / file).resolve().relative_to(ROOT))
        for page in PAGES
        for file in INCLUDED.findall(page.read_text())
    }
    assert shown == set(RUN)
    assert all((ROOT / test).exists() for test in RUN.values())


def test_python_in_a_page_is_a_file() -> None:
    listings = [block.text for block in blocks() if block.language == "python"]
    files = {(ROOT / file).read_text() for file in RUN}
    assert listings
    assert [listing for listing in listings if listing not in files] == []


def test_there_is_no_other_kind_of_block() -> None:
    kinds = {block.language for block in blocks()}
    assert kinds <= {
        "bash",
        "python",
        "text",
        "toml",
        "{toctree}",
        "{include}",
        "{literalinclude}",
        "{raw}",
        "{eval-rst}",
    }
    assert all(match["language"] for page in PAGES for match in FENCE.finditer(page.read_text()))


@pytest.mark.parametrize(
    "block", [block for block in blocks() if block.language == "toml"], ids=lambda block: block.page
)
def test_entry_points_are_of_a_kind_that_is_known(block: object) -> None:
    ((group, offers),) = tomllib.loads(block.text)["project"]["entry-points"].items()  # type: ignore[attr-defined]
    assert group.partition(".")[0] == "smore_sweep"
    assert f'"{group.partition(".")[2]}"' in (ROOT / "smore_sweep" / "discovery.py").read_text()
    assert all(":" in target for target in offers.values())
    assert installed(group.partition(".")[2]) is not None


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    user_code.forget()


@pytest.mark.usefixtures("datasets")
def test_the_sweep_beside_the_first_method_is_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(ROOT / "examples" / "cloning" / "sweep.py")
    assert main(["plan", file, "--results", str(tmp_path)]) == 0
    assert "HindsightBC her_ratio=0.5" in capsys.readouterr().out


@pytest.mark.usefixtures("datasets")
def test_the_sweep_on_imported_files_has_their_size_and_the_shipped_sweeps_budget() -> None:
    sweep, shipped = load_sweep(str(ROOT / "examples" / "ants.py")), load_sweep("ogbench").scales["workstation"]
    sizes = {run.task: run.budget.episodes for run in sweep.expand(source="ogbench")}
    assert sizes == {name: 1_000_000 // (task(name).data_steps or 0) for name in sweep.tasks}
    assert sweep.scales["workstation"].budget == shipped.budget
    assert sweep.scales["workstation"].knobs == shipped.knobs


@pytest.mark.usefixtures("datasets")
def test_a_dataset_of_its_own_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = ROOT / "examples" / "wall" / "play.py"
    assert main(["plan", str(file), "--results", str(tmp_path)]) == 0
    assert "to make: 100 WallPlay episodes of the play policy" in capsys.readouterr().out
    made = rollout("WallPlay", "play", 0, 2)
    assert made.observations.shape == (2, 81, 2)
    np.testing.assert_array_equal(made.actions[1], rollout("WallPlay", "play", 1, 1).actions[0])


@pytest.mark.usefixtures("datasets")
def test_a_dataset_of_images_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = ROOT / "examples" / "images" / "dots.py"
    assert main(["plan", str(file), "--results", str(tmp_path)]) == 0
    assert "to make: 50 Dots episodes of the wander policy" in capsys.readouterr().out
    made = rollout("Dots", "wander", 0, 2)
    assert made.observations.dtype == "uint8"
    assert made.observations.shape == (2, 21, 48 * 48 * 3)
    assert set(np.unique(made.observations)) == {0, 255}


def test_a_method_that_acts_by_its_critic_takes_the_best_proposal() -> None:
    user_code.forget()
    kind = user_code.import_file(ROOT / "examples" / "wall" / "best_of_n.py").BestOfN
    check_method(kind(hidden=8), Sizes(3, 2, 2))
    acting = BestOf(kind(hidden=8, samples=5, spread=0.5))
    rows = torch.linspace(-1.0, 1.0, 4).view(1, 4, 1).expand(1, 4, 2)
    chosen = kind(hidden=8, samples=5, spread=0.5).sample_actions(acting.nets, rows, rows, acting.draws)
    np.testing.assert_array_equal(chosen, acting.expected(rows))


class BestOf:
    """A policy that proposes 0 and a critic that likes actions near 0.3, and what they choose."""

    def __init__(self, method: Any) -> None:
        self.method = method
        self.draws = Draws("Wall", range(4), 0)
        self.nets = {"pi": self, "Q": self}

    def frozen(self, states: torch.Tensor, goals: torch.Tensor, *actions: torch.Tensor) -> torch.Tensor:
        if not actions:
            return torch.zeros_like(states)
        value = -(actions[0] - 0.3).square().sum(-1, keepdim=True)
        return torch.stack([value, value + 1.0])

    def expected(self, rows: torch.Tensor) -> NDArray[Any]:
        noise = self.draws.normal("proposals", self.method.samples, 2).numpy()[0]
        proposals = np.clip(np.float32(self.method.spread) * noise, -1.0, 1.0)  # [B, N, 2]
        best = ((proposals - np.float32(0.3)) ** 2).sum(-1).argmin(-1)
        chosen: NDArray[Any] = proposals[np.arange(rows.shape[1]), best][None]
        return chosen


def test_the_summary_has_every_method_on_every_task() -> None:
    table = _example("summary.py").summary("comparison", str(ROOT / "results"))
    assert table.loc[("FetchReach", "SMORe"), "mean"] == 37.37
    assert (table["count"] == 5).all()
    assert (table["missing"] == 0).all()


def test_a_record_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    budget = Budget(episodes=10, updates=4, batch_size=8, evaluate_every=2, evaluation_episodes=1, final_episodes=1)
    run = RunSpec(method=SMORe(), task="Reacher", expert_share=0.1, seed=0, scale="smoke", budget=budget)
    finish(tmp_path, [run])
    _example("read_record.py").show(str(tmp_path), run.run_id)
    assert capsys.readouterr().out == "2 1.0\n4 1.0\nsteps at the goal: 40.0\n"
    with pytest.raises(SystemExit, match="has no run 0000"):
        _example("read_record.py").show(str(tmp_path), "0000")


@pytest.mark.usefixtures("datasets")
def test_the_slow_experts_episodes_are_imported(tmp_path: Path) -> None:
    _example("slow_expert.py").write(tmp_path / "slow", expert=1, random=1)
    assert main(["data", "import", "wgcsl", str(tmp_path / "slow"), "--source", "slow"]) == 0
    episodes = pools.load("FetchPush", "expert", 1, "slow")
    assert abs(episodes.actions).max() <= 0.5 + 0.6  # half of an action, and the data's noise
    assert "smore_sweep.experts.fetch" in sys.modules
    assert sys.modules["smore_sweep.experts.fetch"].push.__name__ == "push"


def test_the_notebook_of_the_site_is_the_one_that_is_run() -> None:
    assert (DOCS / "notebooks" / "from_python.ipynb").name in (ROOT / "tests" / "e2e" / "test_notebook.py").read_text()
