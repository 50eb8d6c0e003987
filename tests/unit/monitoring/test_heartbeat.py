"""Progress of a sweep in a log, in a terminal, and from another process."""

from __future__ import annotations

import io
import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from baselines.gcsl import GCSL
from smore_sweep.cli.main import main
from smore_sweep.discovery import load_sweep
from smore_sweep.monitoring import heartbeat, progress_reporter, usage
from smore_sweep.monitoring.callback import Progress
from smore_sweep.monitoring.progress_reporter import ProgressReporter
from smore_sweep.monitoring.usage import Gpu, Usage
from smore_sweep.planning.plan import Plan, make_plan
from smore_sweep.planning.stacks import Stack, group_into_stacks

SWEEP = "quickstart"
GPU = Gpu("GPU-1", 0.625, 20.5, 80.0)


def planned(results: Path) -> tuple[Plan, list[Stack]]:
    plan = make_plan(load_sweep(SWEEP), "laptop", results)
    return plan, group_into_stacks(plan.pending, slots=60, largest=10)


def sign(stack: int, update: int, *, evaluated: int = 0, latest: float | None = None, ended: int = 0) -> Progress:
    return Progress(stack, 1, update, update, ended, evaluated, latest, 1.0, 0.0, Usage("node", 0.75, GPU))


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), width=100, force_terminal=terminal, color_system=None, highlight=False)


def updates(stack: Stack) -> int:
    return stack.runs[0].budget.updates


def text(out: Console) -> str:
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def test_a_log_has_plain_lines_and_no_tricks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_reporter, "PLAIN_SECONDS", 0.0)
    monkeypatch.setattr(progress_reporter, "STACKS_SECONDS", 0.0)
    out, (plan, stacks) = console(terminal=False), planned(tmp_path)
    assert len(stacks) > progress_reporter.ROWS
    with ProgressReporter(out, plan, stacks, 8, tmp_path / "live.json") as view:
        for number in range(len(stacks)):
            view.on_progress(sign(number, 1))
        view.on_progress(sign(0, 1300, evaluated=1300, latest=36.4))
        view.on_step()
        view.on_failure("failed: some run: ValueError: [red]boom[/red]")
        view.on_worker_lost(1)
    lines = text(out).splitlines()
    assert "\x1b" not in text(out)
    assert lines[0].startswith("first updates after ")
    assert lines[1].endswith("· 1 run · update 1,300: mean return 36.40")
    assert f"0/{len(plan.runs)} runs · " in lines[2]
    assert (
        f"CPU {0.75 * len(stacks):.1f} of 8 cores · GPU 62%, 20.5 of 80 GB · ? left" in lines[2]
    )  # one, shared by all
    assert lines[3].endswith(f"on node: 1,300 of {updates(stacks[0]):,} · return 36.40")
    assert lines[3 + progress_reporter.ROWS] == f"  and {len(stacks) - progress_reporter.ROWS} more stacks"
    assert lines[-2] == "  failed: some run: ValueError: [red]boom[/red]"
    assert lines[-1].endswith("was lost; another resumes from the last evaluation")


def test_a_terminal_shows_the_stacks_that_train(tmp_path: Path) -> None:
    out, (plan, stacks) = console(terminal=True), planned(tmp_path)
    with ProgressReporter(out, plan, stacks, 8, tmp_path / "live.json") as view:
        view.on_progress(sign(0, 700))
        view.on_progress(sign(1, 1300, evaluated=1300, latest=36.4))
        view.on_stack_end(0)
        shown = console(terminal=True)
        shown.print(view._render())
    assert "700 of" not in text(shown)
    assert f"1,300 of {updates(stacks[1]):,} · return 36.40" in text(shown)
    assert "mean return" not in text(out)  # it is in the bar, and said at the end of a stack only
    assert max(len(line.rstrip()) for line in text(shown).splitlines()) <= 80


def test_shares_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    plan, stacks = planned(tmp_path)
    stacks = [Stack(stacks[0].runs, start=600), *stacks[1:4]]
    whole = updates(stacks[0])
    assert {updates(stack) for stack in stacks} == {whole}
    with ProgressReporter(console(terminal=False), plan, stacks, 2, tmp_path / "live.json") as view:
        view.on_progress(sign(0, 600))
        now[0] += 20
        view.on_progress(sign(0, 1600))
        view.on_progress(sign(1, 500))
        view.on_worker_lost(1)
        view.on_progress(sign(1, 0))  # it begins again; what it has to repeat is not counted twice
        view.on_progress(sign(2, whole, ended=1))
        view.on_stack_end(2)
        view.on_stack_end(3)  # its runs were given up
        seen = view._snapshot("")
    assert (seen.runs_ended, seen.runs) == (1, 4)
    done, left = 1000 + 500 + whole, (whole - 1600) + (whole - 500)
    assert seen.rate == pytest.approx(done / 20)
    assert seen.share == pytest.approx(done / (done + left))
    assert seen.left == pytest.approx(left / (done / 20))
    assert [stack.update for stack in seen.stacks] == [1600, 0]


def test_the_share_is_of_the_work_and_not_of_the_updates(tmp_path: Path) -> None:
    plan, stacks = planned(tmp_path)
    slow = next(stack for stack in stacks if stack.runs[0].method.name == "SMORe")
    fast = Stack((replace(slow.runs[0], method=GCSL(hidden=128)),))
    assert slow.work > 5 * fast.work
    with ProgressReporter(console(terminal=False), plan, [slow, fast], 2, tmp_path / "live.json") as view:
        view.on_progress(sign(0, slow.member_updates))
        view.on_stack_end(0)
        assert view._snapshot("").share == pytest.approx(slow.work / (slow.work + fast.work))


def test_the_sign_of_life_is_told_with_its_age(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert heartbeat.load(tmp_path) is None
    plan, stacks = planned(tmp_path)
    with ProgressReporter(console(terminal=False), plan, stacks, 2, tmp_path / "live.json") as view:
        view.on_progress(sign(0, 10))
        view.on_failure("failed: some run: ValueError: boom")
        view._save("")
        seen = heartbeat.load(tmp_path)
        assert seen is not None
        shown = view._snapshot("")
        assert seen.started == pytest.approx(shown.started, abs=1.0)
        assert replace(seen, written=0.0, started=0.0) == replace(shown, written=0.0, started=0.0)
        assert main(["status", SWEEP, "--results", str(tmp_path)]) == 0
        output = capsys.readouterr().out
        assert f"{SWEEP} · laptop: 0 done, 0 partial, 30 missing" in output
        assert re.search(rf"{SWEEP} · laptop: training for \d s, last sign of life \d s ago \(", output)
        assert f"10 of {updates(stacks[0]):,}" in output
        assert "failed: some run: ValueError: boom" in output

    ended = heartbeat.load(tmp_path)
    assert ended is not None
    line = next(progress_reporter.describe(ended, ended.written + 180))
    assert line.startswith(f"{SWEEP} · laptop: training ended 3 min 00 s ago")
    gone = next(progress_reporter.describe(replace(seen, written=0.0), progress_reporter.SILENT_SECONDS + 1))
    assert "no sign of life for 1 min 01 s (" in gone
    (tmp_path / "live.json").write_text("{")
    assert heartbeat.load(tmp_path) is None


def test_workers_without_a_driver_are_shown_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    plan, stacks = planned(tmp_path)
    for number in range(3):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(number))
        file = tmp_path / "workers" / f"{number}.json"
        with ProgressReporter(console(terminal=False), plan, [stacks[number]], 1, file) as view:
            view.on_progress(sign(0, 100 + number, evaluated=100, latest=1.5))
            view.on_failure("failed: something")
            view._save("")
            shown = file.read_bytes()
        file.write_bytes(shown)
    first, second, third = heartbeat.load_workers(tmp_path)
    old = replace(third, written=third.written - 3600)
    lines = list(progress_reporter.describe_workers([first, second, old], first.written + 3))
    assert lines[0] == "quickstart · laptop: 2 workers, last sign of life 3 s ago"
    assert lines[1].startswith("  0 member-updates/s · CPU 1.5 of 2 cores · GPU 62%")
    assert lines[2].endswith(f", process {os.getpid()}, job 7_0)")
    assert "100 of " in lines[2]
    assert "return 1.50" in lines[2]
    assert lines[3] == "    failed: something"
    assert lines[-1].startswith("quickstart · laptop: no sign of life of a worker for 1 h 00 min (")
    assert lines[-1].endswith("job 7_2); the next one takes its runs over")


@pytest.mark.parametrize("ahead", [-600.0, 600.0])
def test_a_clock_that_is_wrong_makes_nothing_old_or_young(ahead: float, tmp_path: Path) -> None:
    there = time.time() + ahead  # the writer's clock, which is not that of the files
    living = heartbeat.Snapshot(
        "main", "laptop", "me", there - 100, there, "", 3, 9, 0.3, 9.5, None, 1.5, 2, [], [], []
    )
    heartbeat.save(tmp_path / "live.json", living)
    for name, age in (("a", 0.0), ("b", 300.0)):
        file = tmp_path / "workers" / f"{name}.json"
        heartbeat.save(file, living)
        os.utime(file, (time.time() - age,) * 2)
    seen, now = heartbeat.load(tmp_path), time.time()
    assert seen is not None
    assert (now - seen.started, now - seen.written) == pytest.approx((100.0, 0.0), abs=5.0)
    assert [now - each.written for each in heartbeat.load_workers(tmp_path)] == pytest.approx([0.0, 300.0], abs=5.0)
    assert {path.name for path in tmp_path.iterdir()} == {"live.json", "workers"}
    heartbeat.save(tmp_path / "live.json", replace(living, ended="ended"))
    assert heartbeat.load(tmp_path) == replace(living, ended="ended")  # the file may be a copy


def test_a_folder_that_cannot_be_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    living = heartbeat.Snapshot("main", "laptop", "me", 1.0, 2.0, "", 3, 9, 0.3, 9.5, None, 1.5, 2, [], [], [])
    heartbeat.save(tmp_path / "live.json", living)
    monkeypatch.setattr(Path, "touch", refuse)
    assert heartbeat.load(tmp_path) == living


def test_an_interrupted_sweep_says_so(tmp_path: Path) -> None:
    plan, stacks = planned(tmp_path)
    with (
        pytest.raises(KeyboardInterrupt),
        ProgressReporter(console(terminal=False), plan, stacks, 2, tmp_path / "live.json"),
    ):
        raise KeyboardInterrupt
    seen = heartbeat.load(tmp_path)
    assert seen is not None
    assert seen.ended == "was interrupted"


@pytest.mark.parametrize(("output", "gpu"), [("63, 2048, 81920\n", Gpu("GPU-1", 0.63, 2.0, 80.0)), ("[N/A]\n", None)])
def test_a_gpu_is_queried(output: str, gpu: Gpu | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\nprintf '{output}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert usage._query("GPU-1") == gpu


@pytest.mark.parametrize(
    "change",
    [
        {"runs": "9"}, {"runs": True}, {"runs": 1.5}, {"rate": None}, {"rate": float("nan")}, {"written": 1e300},
        {"left": "x"}, {"stacks": None}, {"stacks": [1]}, {"stacks": [{"name": "x"}]}, {"news": [1]}, {"news": "x"},
        {"gpus": [{"name": 1, "busy": 0.5, "used": 1.0, "total": 1.0}]}, {"more": 1},
    ],
)  # fmt: skip
def test_a_heartbeat_of_wrong_types_is_ignored(change: dict[str, object], tmp_path: Path) -> None:
    snapshot = heartbeat.Snapshot(
        "main", "laptop", "me", 1.0, 2, "ended", 3, 9, 0.3, 9.5, None, 1.5, 2, [GPU], [], ["x"]
    )
    heartbeat.save(tmp_path / "live.json", replace(snapshot, news=["\x1b[31mx\ny"]))
    loaded = heartbeat.load(tmp_path)
    assert loaded is not None
    assert replace(loaded, news=["x"]) == snapshot
    assert loaded.news == ["\\x1b[31mx\\ny"]
    path = tmp_path / "live.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert heartbeat.load(tmp_path) is None
    path.write_text("[" * 100_000)
    assert heartbeat.load(tmp_path) is None
    path.unlink()
    os.mkfifo(path)
    assert heartbeat.load(tmp_path) is None
