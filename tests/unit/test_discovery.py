"""Methods and scales by name, and knobs from text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

import pytest

from baselines.iql import GCIQL
from smore_sweep import Method, knob, method, user_code
from smore_sweep.cli.main import main
from smore_sweep.discovery import configure, find_method, find_scale, load_sweep, method_of, methods
from smore_sweep.errors import UserError
from smore_sweep.extraction import ExtractingMethod
from smore_sweep.run_spec import RunSpec
from smore_sweep.smore import SMORe

ROOT = Path(__file__).parents[2]


def test_every_method_file_is_listed() -> None:
    user_code.forget()  # what other tests have imported
    files = {path.stem for path in (ROOT / "baselines").glob("[!_]*.py")}
    assert set(methods()) == files | {"smore"}
    assert next(iter(methods())) == "smore"
    assert len({kind.name for kind in methods().values()}) == len(methods())


@pytest.mark.parametrize("name", ["iql", "gc_iql", "GC-IQL", "gciql"])
def test_a_method_is_found_by_file_and_by_name(name: str) -> None:
    assert find_method(name) is GCIQL


def test_knobs_take_the_type_of_their_default() -> None:
    settings = {"beta": "0.25", "hidden": "32", "normalize_inputs": "False", "variant": "printed"}
    assert configure(SMORe, settings) == SMORe(beta=0.25, hidden=32, normalize_inputs=False, variant="printed")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bata": "0.5"}, "SMORe has no field 'bata'; it has: bc_weight, beta, "),
        ({"beta": "half"}, "SMORe: beta = 'half' is not valid; it must be in (0, 1]"),
        ({"hidden": "1.5"}, "SMORe: hidden = '1.5' is not valid; it must be a whole number in [1, inf)"),
        ({"normalize_inputs": "1"}, "SMORe: normalize_inputs = '1' is not valid; it must be true or false"),
    ],
)
def test_wrong_knobs_are_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        configure(SMORe, settings)


def test_a_knob_younger_than_a_run_has_the_value_from_before() -> None:
    @method
    class Grown(Method):
        name: ClassVar[str] = "grown"
        width: int = knob("width", default=8)
        depth: int = knob("depth", default=3, before=2)

    assert method_of({"method": "grown", "knobs": {"width": 4}}) == Grown(width=4, depth=2)
    assert method_of({"method": "grown", "knobs": {"width": 4, "depth": 3}}) == Grown(width=4)


def test_a_class_whose_own_checks_fail_is_named() -> None:
    @method
    class Half(ExtractingMethod):
        name: ClassVar[str] = "half"

    with pytest.raises(UserError, match="Half: AttributeError: 'Half' object has no attribute 'extraction'"):
        configure(Half, {})


def test_methods_are_listed_with_their_knobs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    overview = capsys.readouterr().out
    assert all(f"│ {name} " in overview for name in methods())
    assert main(["methods", "smore"]) == 0
    details = capsys.readouterr().out
    assert re.search(r"temperature\*\s+│ 3\.0\s+│ in \[0, inf\)", details)


def trained(monkeypatch: pytest.MonkeyPatch, *command: str) -> RunSpec:
    """The run that ``smore-sweep train`` would train."""
    runs: list[RunSpec] = []

    def remember(run: RunSpec, results: Path, mirrors: object) -> int:
        runs.append(run)
        return 0

    monkeypatch.setattr("smore_sweep.execution.local.train_one", remember)
    assert main(["train", *command]) == 0
    return runs[0]


@pytest.mark.parametrize(
    ("sweep", "method", "task"),
    [
        ("ogbench", "qrl", "pointmaze-medium-navigate"),
        ("ogbench", "qrl", "pointmaze-large-stitch"),
        ("ogbench", "gcivl", "cube-single-play"),
        ("images", "image_gcbc", "TabletopImages"),
        ("newer_methods", "u2o", "pointmaze-medium-navigate-singletask-task2"),
    ],
)
@pytest.mark.parametrize("scale", [None, "smoke", "paper"])
def test_a_single_run_is_one_of_its_tasks_sweep(
    sweep: str, method: str, task: str, scale: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_code.forget()
    planned = {run.run_id for run in load_sweep(sweep).expand(scale) if run.task == task}
    assert (
        trained(monkeypatch, "--method", method, "--task", task, *(["--scale", scale] if scale else [])).run_id
        in planned
    )


@pytest.mark.parametrize(
    ("method", "task", "episodes", "batch_size"),
    [
        ("gcivl", "antmaze-medium-stitch", 5_000, 256),
        ("gcivl", "pointmaze-giant-navigate", 500, 256),
        ("qrl", "puzzle-4x6-noisy", 1_000, 256),
        ("image_smore", "visual-cube-single-play", 1_000, 128),
        ("image_smore", "visual-antmaze-giant-stitch", 5_000, 128),
        ("u2o", "pointmaze-large-stitch-singletask-task4", 5_000, 256),
    ],
)
def test_a_task_of_ogbench_that_no_sweep_has_is_trained_as_one_like_it(
    method: str, task: str, episodes: int, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(monkeypatch, "--method", method, "--task", task)
    assert (run.scale, run.budget.episodes, run.budget.batch_size) == ("workstation", episodes, batch_size)
    assert bool(run.budget.online_episodes) == run.method.learns_online
    if method == "qrl":
        assert run.method.fields()["components"] == 16
    assert trained(monkeypatch, "--method", method, "--task", task, "--scale", "smoke").budget.episodes < 100


@pytest.mark.parametrize(("method", "updates", "rate"), [("cfgrl", 20_000, 1e-3), ("gcivl", 40_000, 3e-4)])
def test_of_two_sweeps_with_a_task_the_one_with_the_method_counts(
    method: str, updates: int, rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(monkeypatch, "--method", method, "--task", "pointmaze-medium-navigate")
    assert (run.budget.updates, run.method.fields()["learning_rate"]) == (updates, rate)


def test_a_method_that_learns_offline_has_no_online_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(monkeypatch, "--method", "gcivl", "--task", "pointmaze-medium-navigate-singletask-task2")
    assert run.budget.online_episodes == run.budget.updates_per_episode == 0


def test_a_single_run_of_ones_own_sweep_has_its_default_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    file = ROOT / "examples" / "wall" / "wall.py"
    run = trained(monkeypatch, "--method", "smore", "--task", "Wall", "--file", str(file))
    assert (run.scale, run.budget.episodes) == ("small", 100)


def test_a_scale_that_the_tasks_sweep_lacks_is_refused() -> None:
    with pytest.raises(UserError, match="unknown scale 'laptop'; the scales are: smoke, workstation, paper"):
        find_scale("antmaze-medium-navigate", "laptop")
