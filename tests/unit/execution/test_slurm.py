"""The sbatch file: its directives, and its shell with stand-ins for SLURM. tests/e2e/test_slurm.py has a real one."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from smore_sweep.cli.main import main
from smore_sweep.execution import slurm
from smore_sweep.execution.slurm import KILLS, Resources

PYTHON = {
    "ends": "exit 0",
    "fails": "exit 1",
    "is killed": "kill -KILL $$",
    "works": "trap 'exit 75' USR1; trap 'exit 130' TERM; touch ready; while :; do sleep 0.05; done",
}
QUEUED_AGAIN = "requeue 7_1\n"


def directives(text: str) -> list[str]:
    return [line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH ")]


def programs(folder: Path, **scripts: str) -> dict[str, str]:
    """Return an environment whose programs are these scripts."""
    tools = folder / "tools"
    tools.mkdir()
    for name, script in scripts.items():
        (tools / name).write_text(f"#!/bin/bash\n{script}\n")
        (tools / name).chmod(0o755)
    return {
        **os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1"
    }  # fmt: skip


def start(folder: Path, python: str, *, requeue: bool = True, restarts: str = "0") -> subprocess.Popen[str]:
    """Run the shell of an array's task; ``scontrol`` and ``sleep`` note their calls."""
    environment = programs(folder, python=PYTHON[python], scontrol='echo "$@" >>called')
    text = slurm.script("quickstart", [], folder, Resources(requeue=requeue))
    lines = [line for line in text.splitlines() if not line.startswith("export PATH=")]
    text = "\n".join(lines).replace("sleep 60", "sleep 0")
    return subprocess.Popen(
        ["bash", "-c", text], cwd=folder, env=environment | {"SLURM_RESTART_COUNT": restarts}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def called(folder: Path) -> str:
    return (folder / "called").read_text() if (folder / "called").exists() else ""


@pytest.mark.parametrize(
    ("python", "restarts", "code", "calls"),
    [
        ("ends", "0", 0, ""),
        ("fails", "0", 1, ""),
        ("is killed", "0", 137, QUEUED_AGAIN),
        ("is killed", str(KILLS), 137, ""),
    ],
)
def test_a_task_is_queued_again_if_it_was_killed(
    python: str, restarts: str, code: int, calls: str, tmp_path: Path
) -> None:
    with start(tmp_path, python, restarts=restarts) as task:
        task.communicate(timeout=60)
    assert task.returncode == code
    assert called(tmp_path) == calls


@pytest.mark.parametrize(
    ("name", "requeue", "code", "calls"),
    [("USR1", True, 75, QUEUED_AGAIN), ("USR1", False, 75, ""), ("TERM", True, 130, "")],
)
def test_a_signal_ends_the_work_in_order(name: str, requeue: bool, code: int, calls: str, tmp_path: Path) -> None:
    with start(tmp_path, "works", requeue=requeue) as task:
        deadline = time.monotonic() + 60
        while not (tmp_path / "ready").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        subprocess.run(["kill", f"-{name}", str(task.pid)], check=True)
        task.communicate(timeout=60)
    assert task.returncode == code
    assert called(tmp_path) == calls


def test_every_resource_is_a_directive() -> None:
    asked = Resources(
        array=3, cpus=8, gpus="a100:2", memory="16G", time="04:00:00", partition="gpu", account="us", requeue=False,
        extra=["mail-type=END", "--qos=long"],
    )  # fmt: skip
    text = slurm.script("/s/mine.py", ["--seeds", "2"], Path("/r r"), asked)
    assert directives(text) == [
        "--job-name=mine", "--partition=gpu", "--account=us", "--array=0-2", "--nodes=1", "--ntasks-per-node=1",
        "--cpus-per-task=8", "--gres=gpu:a100:2", "--mem=16G", "--time=04:00:00",
        '--output="/r r/slurm/mine-%A_%a.log"',
        "--open-mode=append", "--signal=B:USR1@600", "--no-requeue", "--mail-type=END", "--qos=long",
    ]  # fmt: skip
    assert "smore_sweep work /s/mine.py --seeds 2 --results '/r r' --processes 3 --grace 580 &\n" in text
    assert "requeue" not in text.replace("--no-requeue", "")


def test_an_allocation_starts_ray_with_a_secret_token_on_nodes_of_its_own() -> None:
    text = slurm.script("main", [], "s3://bucket/prefix", Resources(array=0, nodes=4, gpus="2"))
    assert {"--nodes=4", "--exclusive", "--gres=gpu:2"} < set(directives(text))
    assert not [line for line in directives(text) if line.startswith("--array")]
    assert "export RAY_AUTH_MODE=token\n" in text
    assert '--min-nodes "$SLURM_JOB_NUM_NODES" --num-cpus "$SLURM_CPUS_PER_TASK" --num-gpus 2 --incl' in text
    assert 'python -m smore_sweep run main --results s3://bucket/prefix --address "$address" &\n' in text
    assert not [line for line in text.splitlines() if "$RAY_AUTH_TOKEN" in line]  # never in a list of processes


def test_an_image_has_the_libraries_and_the_checkout_the_code(tmp_path: Path) -> None:
    image = tmp_path / "some image.sif"
    image.touch()
    text = slurm.script("main", [], tmp_path, Resources(gpus="1", image=image))
    start = f"apptainer exec --nv --bind {slurm.ROOT} --bind {tmp_path} '{image}' "
    assert f"\n{start}python -m smore_sweep work main" in text
    assert f"export PYTHONPATH={slurm.ROOT}${{PYTHONPATH:+:$PYTHONPATH}}\nexport SMORE_SWEEP_REVISION=" in text
    text = slurm.script("main", [], tmp_path, Resources(array=0, nodes=2, image=image))
    assert f"{start.replace(' --nv', '')}ray symmetric-run" in text


@pytest.mark.parametrize(
    ("limit", "margin"),
    [
        ("", 300),
        ("1", 30),
        ("30", 180),
        ("30:00", 180),
        ("00:20:00", 120),
        ("1-0", 600),
        ("0-0:20", 120),
        ("0-0:5:0", 30),
    ],
)
def test_the_signal_comes_a_tenth_of_the_time_before_the_end(limit: str, margin: int) -> None:
    assert Resources(time=limit).margin() == margin


@pytest.mark.parametrize("resources", [Resources(), Resources(array=0, nodes=2, requeue=False)])
def test_the_shell_is_valid(resources: Resources, tmp_path: Path) -> None:
    text = slurm.script("quickstart", ["--notify", "echo 'it is' \"done\""], tmp_path, resources)
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_a_job_is_handed_in_and_says_how_to_follow_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = programs(tmp_path, sbatch='cp "${@: -1}" handed_in; echo "12;cluster"')
    monkeypatch.setenv("PATH", environment["PATH"])
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    monkeypatch.chdir(tmp_path)
    words = ["submit", "quickstart", "--slurm", "--array", "2", "--results", "r"]
    assert main([*words, "--dry-run"]) == 0
    text, told = capsys.readouterr()
    assert told.startswith("the job makes 1,020 episodes first (FetchReach, Reacher); ")
    assert not (tmp_path / "r").exists()
    assert main(words) == 0
    assert (tmp_path / "handed_in").read_text() == text == (tmp_path / "r" / "slurm" / "quickstart.sbatch").read_text()
    printed = capsys.readouterr().out
    assert printed.startswith("the job makes 1,020 episodes first (FetchReach, Reacher); ")
    assert f"job 12: 30 runs on 2 tasks, by {tmp_path}/r/slurm/quickstart.sbatch\n" in printed
    assert f"tail -f {tmp_path}/r/slurm/quickstart-12_*.log" in printed


def test_episodes_that_nothing_makes_are_missed_before_a_job_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    words = ["submit", "quickstart", "--slurm", "--source", "mine", "--results", f"{tmp_path}/r", "--dry-run"]
    assert main(words) == 2
    printed = capsys.readouterr()
    assert "#SBATCH" not in printed.out
    assert "mine" in printed.err


@pytest.mark.parametrize(
    ("sbatch", "sentence"),
    [
        ("echo 'sbatch: error: invalid partition specified: x' >&2; exit 1", "the job: invalid partition specified: x"),
        (None, "there is no sbatch here; give this command on a cluster's login node, or add --dry-run"),
    ],
)
def test_a_refusal_is_one_sentence(
    sbatch: str | None,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if sbatch is None:
        monkeypatch.setattr(shutil, "which", lambda _: None)
    else:
        monkeypatch.setenv("PATH", programs(tmp_path, sbatch=sbatch)["PATH"])
    assert main(["submit", "quickstart", "--slurm", "--results", str(tmp_path / "r")]) == 2
    assert sentence in capsys.readouterr().err


def test_a_job_file_that_cannot_be_written_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", programs(tmp_path, sbatch="exit 0")["PATH"])
    (tmp_path / "file").touch()
    assert main(["submit", "quickstart", "--slurm", "--results", str(tmp_path / "file" / "r")]) == 2
    printed = capsys.readouterr().err
    assert printed.endswith(f"{tmp_path}/file/r/slurm/quickstart.sbatch cannot be written: Not a directory\n")
