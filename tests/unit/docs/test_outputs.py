"""Every output that a page shows is what the present code prints."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from smore_sweep import user_code
from smore_sweep.cli.main import main
from smore_sweep.cli.results_table import print_results
from smore_sweep.discovery import load_sweep
from smore_sweep.errors import DeclarationError
from smore_sweep.monitoring.heartbeat import Snapshot, Training
from smore_sweep.monitoring.progress_reporter import describe, describe_workers
from smore_sweep.planning.choices import Choices
from smore_sweep.planning.plan import make_plan
from smore_sweep.task import Sizes
from smore_sweep.training.check import check_method
from tests.finished import finish
from tests.unit.docs.pages import ROOT, blocks
from tests.unit.execution.test_slurm import programs

OUTPUTS = {(block.page, block.text.split("\n")[0][:20]): block.text for block in blocks() if block.language == "text"}
TABLE, CHECK, CHANGED, LIVE, HANDED_IN, WORKERS = (
    ("README.md", "        SMORe against GoFAR"[:20]),
    ("docs/extending/method.md", "smore-sweep: TD3BC.l"),
    ("docs/extending/method.md", "td3bc.py has changed"),
    ("docs/guide/watching.md", "quickstart · laptop:"),
    ("docs/scaling/slurm.md", "the job makes 1,020 "),
    ("docs/scaling/slurm.md", "quickstart · laptop:"),
)


def test_these_are_all() -> None:
    assert OUTPUTS.keys() == {TABLE, CHECK, CHANGED, LIVE, HANDED_IN, WORKERS}


def test_the_table_of_the_quickstart(tmp_path: Path) -> None:
    """Its numbers are of runs that are not committed; everything else is compared."""
    plan = make_plan(load_sweep("quickstart"), "laptop", tmp_path, Choices())
    finish(tmp_path, plan.runs)
    text = io.StringIO()
    print_results(Console(file=text, width=100), make_plan(plan.sweep, "laptop", tmp_path, Choices()), tmp_path)
    shown, printed = (_masked(whole) for whole in (OUTPUTS[TABLE], text.getvalue()))
    assert shown[-1] == ["All 30 runs are done. Where to look next: ..."]
    assert shown[:-1] == printed[: len(shown) - 1]


def _masked(text: str) -> list[list[str]]:
    """Split lines into cells, and hide means, deviations and p values."""
    lines = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split("[│┃]", line)]
        if len(cells) == 9 and line.startswith("│"):
            assert re.fullmatch(r"\d+\.\d\d ± \d+\.\d\d", cells[4]), line
            assert re.fullmatch(r"[\d.]+( [*†])?", cells[6]), line
            cells[4] = cells[6] = ""
        lines.append(cells if len(cells) > 1 else [line.strip()])
    return lines


def test_the_sentence_about_a_loss_of_a_wrong_shape(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "wall" / "td3bc.py").read_text()
    (tmp_path / "td3bc.py").write_text(text.replace("mean(-1).sum(0),", "mean(),"))
    user_code.forget()
    kind = user_code.import_file(tmp_path / "td3bc.py").TD3BC
    with pytest.raises(DeclarationError) as raised:
        check_method(kind(hidden=8), Sizes(2, 2, 2))
    assert f"smore-sweep: {raised.value}\n" == OUTPUTS[CHECK]


def test_the_sentence_about_changed_code() -> None:
    assert OUTPUTS[CHANGED].strip() in (ROOT / "tests" / "e2e" / "test_own_project.py").read_text()


def _snapshot(by: str, cores: float, cpus: int, rate: float, *stacks: Training) -> Snapshot:
    return Snapshot(
        sweep="quickstart", scale="laptop", by=by, started=0.0, written=117.0, ended="", runs_ended=12, runs=30,
        share=0.41, rate=rate, left=180.0, cores=cores, cpus=cpus, gpus=[], stacks=list(stacks), news=[],
    )  # fmt: skip


def test_what_status_shows_of_a_sweep() -> None:
    snapshot = _snapshot(
        "you@laptop, process 4711", 1.9, 2, 172.0,
        Training("SMORe · Reacher · 5 runs", "laptop", 1500, 3000, 12.4),
        Training("GoFAR · Reacher · 5 runs", "laptop", 1200, 3000, 9.85),
    )  # fmt: skip
    assert list(describe(snapshot, 120.0)) == OUTPUTS[LIVE].splitlines()


def test_what_status_shows_of_workers() -> None:
    snapshots = [
        _snapshot(f"you@{host}, process {process}, job {job}", 0.25, 1, 39.5, Training(name, host, update, 3000, None))
        for host, process, job, name, update in (
            ("node05", 988, "4711_1", "SMORe · Reacher · 5 runs", 91),
            ("node03", 1207, "4711_0", "GoFAR · Reacher · 5 runs", 79),
        )
    ]
    assert list(describe_workers(snapshots, 124.0)) == OUTPUTS[WORKERS].splitlines()


def test_what_submit_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", programs(tmp_path, sbatch="echo 4711")["PATH"])
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    monkeypatch.chdir(tmp_path)
    assert main(["submit", "quickstart", "--slurm", "--array", "2", "--time", "01:00:00"]) == 0
    assert capsys.readouterr().out.replace(str(tmp_path), "/home/you/smore_sweep") == OUTPUTS[HANDED_IN]
