"""The list of methods, and one run without Ray."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from baselines.iql import GCIQL
from smore_sweep.cli.main import main
from smore_sweep.discovery import configure, find_method, methods
from smore_sweep.errors import UserError
from smore_sweep.execution import local
from smore_sweep.results import record
from smore_sweep.smore import SMORe
from smore_sweep.spec import RunSpec
from sweeps.coverage_ablation import SWEEP

ROOT = Path(__file__).parents[3]
TRAIN = ["train", "--method", "smore", "--task", "PointReach", "--scale", "smoke", "--set", "hidden=16"]


def test_every_method_file_is_listed() -> None:
    files = {path.stem for path in (ROOT / "baselines").glob("[!_]*.py")}  # others are shared frames
    assert set(methods()) == files | {"smore"}
    assert next(iter(methods())) == "smore"
    assert len({kind.name for kind in methods().values()}) == len(methods())


@pytest.mark.parametrize("name", ["iql", "gc_iql", "GC-IQL", "gciql"])
def test_a_method_is_found_by_file_and_by_name(name: str) -> None:
    assert find_method(name) is GCIQL


def test_knobs_are_read_as_what_they_are() -> None:
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


def test_methods_are_listed_with_their_knobs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    listed = capsys.readouterr().out
    assert all(f"│ {name} " in listed for name in methods())
    assert main(["methods", "smore"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"temperature\*\s+│ 3\.0\s+│ in \[0, inf\)", shown)


def test_a_single_run_is_the_run_of_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[RunSpec] = []

    def remember(run: RunSpec, results: Path) -> int:
        seen.append(run)
        return 0

    monkeypatch.setattr(local, "train_one", remember)
    command = ["train", "--method", "smore", "--task", "FetchReach", "--expert-share", "0.05", "--seed", "3"]
    assert main(command) == 0
    (planned,) = [
        run
        for run in SWEEP.expand("laptop")
        if run.seed == 3 and run.task == "FetchReach" and run.named == SMORe() and run.expert_share == 0.05
    ]
    assert [run.run_id for run in seen] == [planned.run_id]
    assert main([*command, "--updates", "7", "--set", "beta=0.9"]) == 0
    assert seen[-1].budget.updates == 7
    assert seen[-1].method == replace(planned.method, beta=0.9)  # type: ignore[type-var]
    assert main([*command, "--set", "hidden=256"]) == 0  # the default, but asked for
    assert seen[-1].method == replace(planned.method, hidden=256)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "beta"], "--set beta is not valid; give KNOB=VALUE"),
        (["--updates", "0"], "updates = 0 is not valid"),
        (["--scale", "huge"], "unknown scale 'huge'; the scales are: smoke, laptop, paper"),
        (["--task", "PointRoom"], "unknown task 'PointRoom'; the tasks are: "),
        (["--expert-share", "1.5"], "expert_share = 1.5 is not valid"),
    ],
)
def test_mistakes_are_one_line(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def entries(results: Path) -> list[tuple[str, str]]:
    """Run id and status of each entry in MLflow."""
    client = MlflowClient(f"sqlite:///{results / 'mlflow.db'}")
    everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
    return [(run.data.tags["run_id"], run.info.status) for run in client.search_runs(everywhere)]


def test_one_run_is_trained_kept_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    command = [*TRAIN, "--episodes", "20", "--results", str(tmp_path)]
    assert main(command) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    found = record.load(tmp_path, folder.name)
    assert found is not None
    assert (found.status, found.update, sorted(found.evaluations)) == (record.DONE, 40, [20, 40])
    (entry,) = entries(tmp_path)
    assert entry == (folder.name, "FINISHED")
    assert f"return99 {found.summary()['return99']:.3f}" in capsys.readouterr().out
    before = (folder / "done.npz").stat().st_mtime_ns
    assert main(command) == 0
    assert (folder / "done.npz").stat().st_mtime_ns == before
    assert entries(tmp_path) == [entry]
    with zipfile.ZipFile(folder / "done.npz", "w") as archive:  # an archive, but none of ours: trained again
        archive.writestr("nothing", "")
    assert main(command) == 0
    again = record.load(tmp_path, folder.name)
    assert again is not None
    assert again.summary() == found.summary()
    before = (folder / "done.npz").stat().st_mtime_ns
    (tmp_path / "mlflow.db").write_bytes(b"")  # lost: a new process makes it anew from the results
    subprocess.run([sys.executable, "-m", "smore_sweep", *command], check=True, capture_output=True)
    assert entries(tmp_path) == [entry]
    (tmp_path / "mlflow.db").write_bytes(b"damaged" * 1000)
    assert main(command) == 2
    assert f"if it is damaged, remove {tmp_path / 'mlflow.db'}: all runs" in capsys.readouterr().err
    assert (folder / "done.npz").stat().st_mtime_ns == before
