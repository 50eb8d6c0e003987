"""Mistakes on the command line: one sentence on standard error, exit code 2, and the name that was meant."""

from __future__ import annotations

import pytest

from smore_sweep.cli.main import main


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("statsu", "No such command 'statsu'. Did you mean 'status'?"),
        ("data mkae Reacher", "No such command 'mkae'. Did you mean 'make'?"),
        ("plan", "Missing argument 'SWEEP'."),
        ("", "Missing command."),
        ("plan quickstart --sclae smoke", "No such option: --sclae (Possible options: --scale, --set, --source)"),
        ("plan quickstart --seeds two", "seeds = 'two' is not valid; give a number of seeds, such as 5, or a list"),
        ("plan quickstart more", "Got unexpected extra argument(s) (more)"),
        ("plan quickstrat", "unknown sweep 'quickstrat'; the sweeps are: "),
        ("plan quickstrat", "did you mean quickstart?"),
        ("plan quickstart --scale smokey", "its scales are: smoke, laptop; did you mean smoke?"),
        ("plan quickstart --tasks FetchReech", "did you mean FetchReach?"),
        ("methods smroe", "unknown method 'smroe'; the methods are: smore, am, "),
        ("methods smroe", "did you mean smore?"),
        ("train --method smore --task fetchpush", "did you mean FetchPush?"),
        ("run quickstart --stack-size 0", "stack size = 0 is not valid; it must be a whole number of at least 1"),
        ("data make Reacher --scale smoke --episodes 3", "--scale and --episodes exclude each other; give one of them"),
        ("verify --retrain 3 --tasks FetchPuhs", "did you mean FetchPush?"),
        ("verify --tasks FetchPush", "--tasks says of which tasks runs are trained again; give --retrain too"),
        ("run quickstart --search random --exported results", "--search and --exported exclude each other; give one"),
        ("submit --follow job --cancel job", "--follow and --cancel exclude each other; give one of them"),
        ("submit quickstart --array 4", "--array is an option of SLURM jobs; add --slurm"),
        ("submit quickstart --slurm --array 4 --nodes 2", "--array and --nodes exclude each other; give one of them"),
        ("submit quickstart --slurm --detach", "--detach and --slurm exclude each other; give one of them"),
        ("submit quickstart --slurm --array 0", "array = 0 is not valid; it must be a whole number of at least 1"),
        ("submit quickstart --slurm --time 1:2:3:4", "time = '1:2:3:4' is not valid; give minutes, hours:minutes:sec"),
        ("submit quickstart --slurm --memory 16GB", "memory = '16GB' is not valid; give a number with K, M, G or T"),
        ("submit quickstart --slurm --memory 16", "memory = '16' is not valid; give a number with K, M, G or T"),
        ("submit quickstart --slurm --gpus-per-task 0", "GPUs per task = '0' is not valid; give a number, or kind:num"),
        ("submit quickstart --slurm --partition a;b", "partition = 'a;b' is not valid; give a name that sinfo shows"),
        ("submit quickstart --slurm --sbatch =x", "sbatch = '=x' is not valid; give an option of sbatch, such as mail"),
        ("submit quickstart --slurm --image no.sif", "image = no.sif is no file; apptainer build no.sif docker/appt"),
        ("submit quickstart --slurm --results s3://b/p", "tasks of an array share a folder of a file system, not s3:/"),
        ("submit quickstart --slurm --notify x", "--notify is not for arrays, which have no common end; give --sbatch"),
        ("submit quickstrat --slurm", "did you mean quickstart?"),
        ("submit --slurm", "name a sweep: smore-sweep submit quickstart --slurm"),
        ("work quickstart --results s3://b/p", "results in s3://b/p cannot be shared by claims; give a folder that"),
        ("work quickstart --gpus-per-stack 2", "gpus per stack = 2 is not valid here; it must be in [0, 1]"),
        ("work quickstart --processes 0", "processes = 0 is not valid; it must be a whole number of at least 1"),
        ("run her_ratio --search asah", "search = 'asah' is not valid; the valid ones are: asha, random; did you mean"),
        ("run her_ratio --search asha --metric speed", "metric = 'speed' is not valid; the valid ones are: return99, "),
        ("run her_ratio --search random", "a random search needs a number of configurations: --budget 10"),
        ("run her_ratio --search asha --budget 1", "budget = 1 is not valid; a search tries at least 2 configurations"),
        ("run her_ratio --budget 0", "--metric, --budget and --json belong to a search; give --search asha or"),
        ("run her_ratio --json", "--metric, --budget and --json belong to a search; give --search asha or"),
        (
            "run her_ratio --search asha --stack-size 2",
            "--search and --stack-size exclude each other; give one of them",
        ),
        (f"plan quickstart --results {'x' * 300}", "xxx cannot be read: File name too long"),
        ("play", "name a task to play, such as FetchPush, or give --sheet FILE.png for all of them"),
    ],
)
def test_a_mistake_is_one_sentence(words: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("smore-sweep: ")
    assert sentence in printed.err
    assert printed.err.count("\n") == 1
    assert not printed.out


def test_a_script_refuses_its_own_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", "--nothing"]) == 2
    assert "smore-sweep tables: error: unrecognized arguments: --nothing" in capsys.readouterr().err
    assert main(["tables", "--metric", "speed"]) == 2
    assert "there is no metric 'speed'; the valid ones are: return99" in capsys.readouterr().err


def test_ctrl_c_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from smore_sweep import discovery

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(discovery, "load_sweep", interrupt)
    assert main(["plan", "quickstart"]) == 130
    assert capsys.readouterr().err == "smore-sweep: interrupted\n"


def test_an_error_of_the_system_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from smore_sweep import discovery

    def fail(_: str) -> None:
        raise PermissionError(13, "Permission denied", "somewhere/else")

    monkeypatch.setattr(discovery, "load_sweep", fail)
    assert main(["plan", "quickstart"]) == 2
    assert capsys.readouterr().err == "smore-sweep: somewhere/else: Permission denied\n"
