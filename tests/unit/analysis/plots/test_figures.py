"""Figures from a results folder to files."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis import figures
from analysis.frames.request import ResultsRequest
from analysis.plots.registry import gather
from smore_sweep.discovery import load_sweep
from tests.finished import finish


def test_figures_are_written_in_both_formats_and_always_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(tmp_path, load_sweep("noise").expand("smoke")[:15])  # the first of all methods without noise, and one with
    for folder in ("a", "b"):
        chosen = ["--results", str(tmp_path), "--output", str(tmp_path / folder), "--figure", "noise", "beta"]
        assert figures.main(chosen) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[:2] == [f"{tmp_path}/a/noise_smoke.pdf", f"{tmp_path}/a/noise_smoke.png"]
    assert said.err.splitlines()[0] == (
        "beta: finished runs at fewer than 2 points of the axis (smoke), no finished run (laptop, workstation, paper) "
        f"in {tmp_path}; run: make sweep SWEEP=mixture_ratio"
    )
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["noise_smoke.pdf", "noise_smoke.png"]
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_wrong_requests_name_the_valid_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for option, valid in (("--figure", "improvement"), ("--metric", "success"), ("--scale", "laptop")):
        assert figures.main([option, "nonsense", "--results", str(tmp_path)]) == 2
        assert valid in capsys.readouterr().err
    assert figures.main(["--figure", "noise", "--results", str(tmp_path)]) == 1


def test_frames_know_the_knob_and_count_a_run_once(tmp_path: Path) -> None:
    finish(tmp_path, load_sweep("her_ratio").expand("smoke")[:1])
    her = gather("her", [load_sweep("her_ratio")], "smoke", ResultsRequest(tmp_path))
    assert set(her["value"].dropna()) == {0.0, 0.2, 0.5, 0.8, 1.0}
    assert her.loc[her["value"].isna(), "method"].unique().tolist() == ["GoFAR"]
    assert (her["status"] == "done").sum() == 1

    both = [load_sweep("main"), load_sweep("coverage_methods")]
    coverage = gather("coverage", both, "smoke", ResultsRequest(tmp_path))
    assert coverage["run_id"].is_unique
    assert set(coverage.loc[coverage["task"] == "Reacher", "expert_share"]) == {0.1, 0.05, 0.025, 0.01}


def test_learning_curves_keep_every_evaluation_and_every_gap(tmp_path: Path) -> None:
    finish(tmp_path, load_sweep("main").expand("smoke")[:2])
    curves = gather("learning_curves", [load_sweep("main")], "smoke", ResultsRequest(tmp_path))
    assert curves.loc[curves["status"] == "done", "update"].tolist() == [20, 40, 20, 40]
    assert curves["run_id"].nunique() == len(load_sweep("main").expand("smoke"))


def test_a_figure_whose_sweep_lacks_the_scale_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--results", str(tmp_path), "--output", str(tmp_path), "--figure", "learning_rate", "her"]
    assert figures.main([*command, "--scale", "paper"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "learning_rate: its sweep has no scale 'paper'"
    assert said[1].startswith("her: no finished run")
    assert figures.main(command) == 1
    assert capsys.readouterr().err.count("no finished run") == 2
