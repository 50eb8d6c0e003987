"""``verify``: intact results pass, each kind of damage is one line, and a run trained again is compared."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.frames import archive
from smore_sweep.cli.main import main
from smore_sweep.execution import retraining
from smore_sweep.execution.processor import processor_name
from smore_sweep.hashing import digest
from smore_sweep.results import run_files
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import DONE, PARTIAL, Record
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.smore import SMORe
from smore_sweep.spec import Grid, Scale, Sweep, grid
from smore_sweep.stacked import fused
from tests.finished import finish

BUDGET = Budget(episodes=20, updates=20, batch_size=8, evaluate_every=10, evaluation_episodes=2, final_episodes=3)
SWEEP = Sweep(
    name="small",
    description="",
    grids=[Grid(methods=grid(SMORe, beta=[0.5, 0.9]), tasks=["PointReach"], expert_share=[0.1])],
    scales={"laptop": Scale(tasks=["PointReach"], seeds=2, budget=BUDGET, knobs={"hidden": 16})},
)
RUNS = SWEEP.expand()


def printed(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> str:
    assert main(["verify", *words]) == code
    return re.sub(r"^checking runs: .*\n", "", capsys.readouterr().out)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A results folder with three done runs and a partial one."""
    folder = tmp_path / "output"
    finish(folder, RUNS[:3])
    run_files.save(folder, RUNS[3].run_id, Record(RUNS[3].content(), PARTIAL, 10))
    return folder


def test_intact_results_pass(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(capsys, 0, "--results", str(output))
    assert said == f"{output}: 3 ended and 1 partial runs are intact, 0 broken\n"


def test_a_flipped_bit_in_the_last_array_is_found_and_said_once(
    output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = output / "runs" / RUNS[1].run_id / "done.npz"
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02", 0, data.index(b"PK\x01\x02") + 4) - 3] ^= 1  # the end of the arrays
    path.write_bytes(data)
    first, second = printed(capsys, 1, "--results", str(output)).splitlines()
    assert first.startswith(f"{path} is broken (")
    assert first.endswith("put aside as done.npz.broken; it counts as missing")
    assert second == f"{output}: 2 ended and 1 partial runs are intact, 1 broken"
    assert (
        printed(capsys, 0, "--results", str(output)) == f"{output}: 2 ended and 1 partial runs are intact, 0 broken\n"
    )


def test_an_export_passes_or_names_its_broken_runs(
    output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported = tmp_path / "exported"
    archive.write(output, exported, lambda _: None)
    assert printed(capsys, 0, "--results", str(exported)).endswith("3 ended and 0 partial runs are intact, 0 broken\n")
    runs = pd.read_parquet(exported / archive.RUNS)
    content = json.loads(runs.loc[1, "content"]) | {"seed": 99}
    runs.loc[1, "content"] = json.dumps(content)
    runs.to_parquet(exported / archive.RUNS, index=False)  # as an old export, without a digest
    first, second = printed(capsys, 1, "--results", str(exported)).splitlines()
    assert first == f"{exported}: the run {runs.loc[1, 'run_id']} is broken (it is the record of another run)"
    assert second == f"{exported}: 2 ended and 0 partial runs are intact, 1 broken"


def test_numbers_of_an_export_are_those_of_its_outcomes(
    output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported = tmp_path / "exported"
    archive.write(output, exported, lambda _: None)
    evaluations = pd.read_parquet(exported / archive.EVALUATIONS)
    evaluations.loc[1, "return99"] += 1.0
    evaluations.loc[3, ["reached", "succeeded", "distances"]] = None
    evaluations.to_parquet(exported / archive.EVALUATIONS, index=False)
    first, second, last = printed(capsys, 1, "--results", str(exported)).splitlines()
    assert first.endswith("is broken (its numbers at update 20 are not those of its outcomes)")
    assert second.endswith("is broken (the raw outcomes of its last evaluation are missing)")
    assert last.endswith("1 ended and 0 partial runs are intact, 2 broken")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--results", "nowhere"], "there is no folder nowhere; --results DIR names a results folder or an exported"),
        (["--retrain", "0"], "retrain = 0 is not valid; it must be a whole number of at least 1"),
    ],
)
def test_mistakes_are_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_kernels_that_do_not_exist_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(fused.SETTING, "fast")
    assert main(["verify", "--results", str(tmp_path), "--retrain", "1"]) == 2
    assert "SMORE_SWEEP_KERNELS = 'fast' is not valid; it must be one of avx512, avx2" in capsys.readouterr().err


def test_an_empty_folder_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--results", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"there is no run in {tmp_path}\n"


def trained(folder: Path, capsys: pytest.CaptureFixture[str]) -> RunSpec:
    """Train a small run with ``train``, and return it."""
    options = ["--method", "smore", "--task", "PointReach", "--scale", "smoke", "--set", "hidden=16"]
    assert main(["train", *options, "--episodes", "20", "--results", str(folder)]) == 0
    capsys.readouterr()
    (run_id,) = run_files.run_ids(folder)
    record = run_files.load(folder, run_id)
    assert record is not None
    assert record.facts["cpu"] == processor_name()
    assert record.facts["kernels"] == fused.path()
    return retraining.run_of(record.content, run_id)


def test_a_run_trained_again_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder, exported = tmp_path / "output", tmp_path / "exported"
    run = trained(folder, capsys)
    files = sorted(folder.rglob("*"))
    said = printed(capsys, 0, "--results", str(folder), "--retrain", "1")
    assert f"{run.run_id} SMORe · PointReach · 0.1 · 0: bitwise equal: 2 evaluations compared, at the last" in said
    assert said.endswith("trained again: 1 bitwise equal\n")
    assert sorted(folder.rglob("*")) == files
    archive.write(folder, exported, lambda _: None)
    said = printed(capsys, 0, "--results", str(exported), "--retrain", "3")
    assert "bitwise equal: 1 evaluation compared" in said
    said = printed(capsys, 0, "--results", str(folder), "--retrain", "1", "--tasks", "Reacher")
    assert said.endswith("trained again: none, because there is no such run\n")

    record = run_files.load(folder, run.run_id)
    assert record is not None
    record.facts |= {"cpu": "another", "kernels": "some", "dataset": "other", "gpu": "H200", "updates": "graph"}
    last = record.evaluations[40]
    record.evaluations[40] = Outcomes(last.reached, last.succeeded, np.nextafter(last.distances, np.float32(9)))
    run_files.save(folder, run.run_id, record)
    said = printed(capsys, 0, "--results", str(folder), "--retrain", "1")
    assert ": within tolerance: " in said
    assert f"; its processor was another, this one is {processor_name()}; " in said
    assert f"; its kernels were some, these are {fused.path()}; " in said
    assert "; its GPU was H200, now none; its updates were graph, now none; its episodes were others\n" in said

    record.evaluations[40] = Outcomes(~last.reached, ~last.succeeded, last.distances)
    run_files.save(folder, run.run_id, record)
    said = printed(capsys, 1, "--results", str(folder), "--retrain", "1")
    assert said.endswith("trained again: 1 different\n")


def test_a_run_that_this_version_cannot_train_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = RUNS[0].content() | {"protocol": 0}
    last = Outcomes(np.ones((2, 3), bool), np.ones((2, 3), bool), np.zeros((2, 3), np.float32))
    run_files.save(tmp_path, digest(content), Record(content, DONE, BUDGET.updates, evaluations={BUDGET.updates: last}))
    said = printed(capsys, 0, "--results", str(tmp_path), "--retrain", "1")
    assert f": not trained: this version gives the run {digest(content)} another id, {RUNS[0].run_id}\n" in said
    assert said.endswith("trained again: 1 not trained\n")


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.run_id)
def test_a_content_names_its_run(run: RunSpec) -> None:
    assert retraining.run_of(run.content(), run.run_id).content() == run.content()
