"""An archive holds the same results as its results folder, with curves and raw outcomes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import export
from analysis.frames import archive, archive_checks
from analysis.frames.request import ResultsRequest
from analysis.frames.runs import curves, load
from smore_sweep.results import run_files
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import DIVERGED, DONE, PARTIAL, Record
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.smore import SMORe
from smore_sweep.spec import Grid, Scale, Sweep, grid
from smore_sweep.task import METRICS

BUDGET = Budget(episodes=100, updates=20, batch_size=8, evaluate_every=10, evaluation_episodes=3, final_episodes=5)
SWEEP = Sweep(
    name="small",
    description="",
    grids=[Grid(methods=grid(SMORe, beta=[0.5, 0.9]), tasks=["FetchReach"], expert_share=[0.1])],
    scales={"laptop": Scale(tasks=["FetchReach"], seeds=3, budget=BUDGET)},
)
STATUS = [DONE, DIVERGED, PARTIAL, DONE, DONE]  # and the sixth run is missing


def outcomes(seed: int, episodes: int) -> Outcomes:
    distances = np.random.default_rng(seed).random((episodes, 7), np.float32)
    return Outcomes(reached=distances < 0.5, succeeded=distances < 0.3, distances=distances)


@pytest.fixture
def folder(tmp_path: Path) -> tuple[Path, list[RunSpec]]:
    """A results folder with runs of every status, the last of them missing."""
    runs = SWEEP.expand()
    for seed, (run, status) in enumerate(zip(runs, STATUS, strict=False)):
        evaluations = {10: outcomes(seed, 3)}
        if status == DONE:
            evaluations[20] = outcomes(100 + seed, 5)
        facts = {"dataset": f"print {seed}", "git": "abc"}
        made = Record(run.content(), status, max(evaluations), 1.5 + seed, facts, evaluations=evaluations)
        run_files.save(tmp_path / "output", run.run_id, made)
    return tmp_path / "output", runs


def test_a_summary_is_the_record_without_its_arrays(folder: tuple[Path, list[RunSpec]]) -> None:
    path, runs = folder
    shorts = run_files.peek_each(path, [run.run_id for run in runs])
    assert list(shorts) == [run.run_id for run in runs[:5]]
    for run_id, short in shorts.items():
        whole = run_files.load(path, run_id)
        assert whole is not None
        assert (short.status, short.update, short.seconds, short.facts) == (
            whole.status,
            whole.update,
            whole.seconds,
            whole.facts,
        )
        assert short.evaluations == {update: raw.summary() for update, raw in whole.evaluations.items()}


def test_rows_and_curves_of_every_status(folder: tuple[Path, list[RunSpec]]) -> None:
    path, runs = folder
    frame = load(runs, path)
    assert list(frame["status"]) == [*STATUS, "missing"]
    expected = outcomes(100, 5).summary()
    assert {name: frame.loc[0, name] for name in METRICS} == expected
    assert frame.loc[1:2, list(METRICS)].isna().all(axis=None)
    table = curves(runs, path)
    assert list(zip(table["run_id"], table["update"], strict=True)) == [
        (runs[i].run_id, update)
        for i, updates in enumerate([(10, 20), (10,), (10,), (10, 20), (10, 20)])
        for update in updates
    ]
    assert table.loc[2, "return99"] == outcomes(1, 3).summary()["return99"]
    assert list(curves(runs[5:], path).columns) == list(table.columns)


def test_what_an_export_leaves_out_is_said(
    folder: tuple[Path, list[RunSpec]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export.main(["--results", str(folder[0]), "--to", str(tmp_path / "exported")]) == 0
    assert "exported: 4 runs (1 not ended, left out), 4 in all; python" in capsys.readouterr().out


def test_an_export_tells_the_same_of_ended_runs(folder: tuple[Path, list[RunSpec]], tmp_path: Path) -> None:
    path, runs = folder
    exported = tmp_path / "exported"
    assert archive.write(path, exported, lambda _: None) == 4
    ended = [run for run, status in zip(runs, STATUS, strict=False) if status != PARTIAL]
    pd.testing.assert_frame_equal(load(ended, exported), load(ended, path), check_exact=True)
    pd.testing.assert_frame_equal(curves(ended, exported), curves(ended, path), check_exact=True)
    assert list(load(runs, exported)["status"]) == [DONE, DIVERGED, "missing", DONE, DONE, "missing"]
    raw, kept = archive.outcomes(exported, runs[3].run_id), outcomes(103, 5)
    for name, array in vars(kept).items():
        np.testing.assert_array_equal(getattr(raw, name), array)
    with pytest.raises(KeyError):
        archive.outcomes(exported, runs[5].run_id)
    first = {file.name: file.read_bytes() for file in exported.iterdir()}
    assert archive.write(path, exported, lambda _: None) == 4
    assert {file.name: file.read_bytes() for file in exported.iterdir()} == first


def test_what_an_export_lacks_is_run_elsewhere(folder: tuple[Path, list[RunSpec]], tmp_path: Path) -> None:
    archive.write(folder[0], tmp_path / "exported", lambda _: None)
    told = ResultsRequest(results=tmp_path / "exported").nothing("main", "laptop")
    assert told.endswith(
        f"run: make sweep SWEEP=main SCALE=laptop, then: python analysis/export.py --to {tmp_path / 'exported'}"
    )


def test_exports_of_two_machines_come_together(
    folder: tuple[Path, list[RunSpec]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, runs = folder
    whole, joined = tmp_path / "whole", tmp_path / "joined"
    assert export.main(["--results", str(path), "--to", str(whole)]) == 0
    for machine, part in enumerate([runs[:3], runs[2:5]]):  # the third run is partial on both
        for run in part:
            found = run_files.load(path, run.run_id)
            assert found is not None
            run_files.save(tmp_path / str(machine), run.run_id, found)
        assert export.main(["--results", str(tmp_path / str(machine)), "--to", str(joined)]) == 0
    assert "2 runs (1 not ended, left out), 4 in all" in capsys.readouterr().out
    assert {file.name: file.read_bytes() for file in joined.iterdir()} == {
        file.name: file.read_bytes() for file in whole.iterdir()
    }


def diverged_at_once(results: Path, run: RunSpec) -> None:
    """Store a run that diverged before its first evaluation."""
    run_files.save(results, run.run_id, Record(run.content(), DIVERGED, 3, 0.5, {}))


def test_runs_without_an_evaluation_are_exported(folder: tuple[Path, list[RunSpec]], tmp_path: Path) -> None:
    path, runs = folder
    alone, exported, whole = tmp_path / "alone", tmp_path / "exported", tmp_path / "whole"
    diverged_at_once(alone, runs[5])
    assert export.main(["--results", str(alone), "--to", str(exported)]) == 0
    assert list(load(runs[5:], exported)["status"]) == [DIVERGED]
    assert curves(runs, exported).empty
    assert archive_checks.verify(exported, lambda _: None).broken == []
    first = {file.name: file.read_bytes() for file in exported.iterdir()}
    assert export.main(["--results", str(alone), "--to", str(exported)]) == 0
    assert {file.name: file.read_bytes() for file in exported.iterdir()} == first
    for results in (path, alone):  # into an export without evaluations, and from one into another with some
        assert export.main(["--results", str(results), "--to", str(exported)]) == 0
    diverged_at_once(path, runs[5])
    assert export.main(["--results", str(path), "--to", str(whole)]) == 0
    assert {file.name: file.read_bytes() for file in exported.iterdir()} == {
        file.name: file.read_bytes() for file in whole.iterdir()
    }


def test_what_cannot_be_exported_is_said_in_a_sentence(
    folder: tuple[Path, list[RunSpec]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, exported, file = folder[0], tmp_path / "exported", tmp_path / "file"
    file.touch()
    assert export.main(["--results", str(results), "--to", str(file)]) == 2
    assert capsys.readouterr().err == f"{file} cannot be written: Not a directory\n"
    assert export.main(["--results", str(results), "--to", str(results)]) == 2
    assert capsys.readouterr().err == f"{results} is a results folder; export into another one\n"
    assert export.main(["--results", str(results), "--to", str(exported)]) == 0
    capsys.readouterr()
    assert export.main(["--results", str(exported), "--to", str(tmp_path / "again")]) == 2
    assert capsys.readouterr().err == f"{exported} is an export already; name a results folder, such as output\n"
    (exported / archive.EVALUATIONS).write_bytes(b"nothing")
    assert export.main(["--results", str(results), "--to", str(exported)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"{exported / archive.EVALUATIONS} is damaged (")
    assert told.endswith("); export its runs again into a new folder\n")


def test_an_exported_run_is_renewed(folder: tuple[Path, list[RunSpec]], tmp_path: Path) -> None:
    path, runs = folder
    archive.write(path, tmp_path / "exported", lambda _: None)
    found = run_files.load(path, runs[0].run_id)
    assert found is not None
    found.evaluations[20] = outcomes(7, 5)
    run_files.save(path, runs[0].run_id, found)
    archive.write(path, tmp_path / "exported", lambda _: None)
    again = archive.outcomes(tmp_path / "exported", runs[0].run_id)
    np.testing.assert_array_equal(again.distances, outcomes(7, 5).distances)
