"""Jobs with a fake job server: submission, refusals, following. A real one runs in tests/e2e/test_topology.py."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from smore_sweep.cli.main import main
from smore_sweep.execution import jobs


class Status(str):
    """Stand-in for Ray's job status."""

    def is_terminal(self) -> bool:
        return self in ("SUCCEEDED", "FAILED", "STOPPED")


@dataclass
class JobInfo:
    status: Status
    driver_exit_code: int | None = None
    message: str | None = None


class Server:
    """A job server with prepared answers, one per poll. It raises the exceptions among them."""

    def __init__(self, answers: Sequence[tuple[JobInfo, str] | BaseException]) -> None:
        self.answers = list(answers)

    def get_job_info(self, name: str) -> JobInfo:
        answer = self.answers[0]
        if isinstance(answer, BaseException):
            del self.answers[0]
            raise answer
        return answer[0]

    def get_job_logs(self, name: str) -> str:
        answer = self.answers.pop(0)
        assert not isinstance(answer, BaseException)
        return answer[1]


def follow(monkeypatch: pytest.MonkeyPatch, *answers: tuple[JobInfo, str] | BaseException) -> int:
    @contextlib.contextmanager
    def server(address: str) -> Iterator[Server]:
        yield Server(answers)

    monkeypatch.setattr(jobs, "_job_server", server)
    monkeypatch.setattr(jobs, "PAUSE_SECONDS", 0)
    return jobs.follow("some")


RUNNING = JobInfo(Status("RUNNING"))
BUSY = RuntimeError("Request failed with status code 500: the agent does not answer.")
UNKNOWN = RuntimeError("Request failed with status code 404: no such job.")


def test_an_absent_server_does_not_repeat_the_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = JobInfo(Status("SUCCEEDED"), 0)
    assert (
        follow(monkeypatch, (RUNNING, "one\n"), ConnectionError(), BUSY, (RUNNING, "one\ntw"), (done, "one\ntwo\n"))
        == 0
    )
    assert capsys.readouterr().out == "one\ntwo\n"


def test_a_server_that_stays_away_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "AWAY_SECONDS", -1)
    with pytest.raises(
        ConnectionError, match=r"status code 500.*; the job may still run: smore-sweep submit --follow some"
    ):
        follow(monkeypatch, (RUNNING, ""), BUSY)


def test_an_unknown_job_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="404"):
        follow(monkeypatch, UNKNOWN)


@pytest.mark.parametrize(
    ("info", "code", "message"),
    [
        (JobInfo(Status("FAILED"), 2, "driver exited"), 2, ""),
        (JobInfo(Status("FAILED"), None, "no such working_dir"), 1, "failed: no such working_dir"),
        (JobInfo(Status("FAILED"), -9, "killed"), 1, "failed: killed"),
        (JobInfo(Status("STOPPED")), 130, "was cancelled"),
    ],
)
def test_follow_returns_the_exit_code_of_the_job(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], info: JobInfo, code: int, message: str
) -> None:
    assert follow(monkeypatch, (info, "")) == code
    out = capsys.readouterr().out
    assert message in out
    assert bool(message) == bool(out)


def test_ctrl_c_leaves_the_job_running(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert follow(monkeypatch, (RUNNING, "one\n"), KeyboardInterrupt()) == 130
    out = capsys.readouterr().out
    assert "job some keeps running" in out
    assert "smore-sweep submit --follow some\n" in out
    assert "smore-sweep submit --cancel some\n" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("quickstart", "name a sweep and a results folder on the cluster"),
        ("quickstart --results output", "results = output is not valid for a job; give a full path on the cluster"),
        ("nope --results /r", "unknown sweep 'nope'"),
        ("quickstart --results /r --jobs-address auto", "jobs address = auto is not valid"),
        ("quickstart --results /r --jobs-address http://127.0.0.1:9", "no Ray job server at http://127.0.0.1:9: "),
        (
            "quickstart --results /r --jobs-address http://127.0.0.1:99999",
            "no Ray job server at http://127.0.0.1:99999",
        ),
    ],
)
def test_mistakes_are_one_line(options: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", *options.split()]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_the_job_sends_the_notification(monkeypatch: pytest.MonkeyPatch) -> None:
    submissions: list[list[str]] = []

    def remember(sweep: str, options: list[str], **_: object) -> int:
        submissions.append(options)
        return 0

    monkeypatch.setattr(jobs, "submit", remember)
    assert main(["submit", "quickstart", "--results", "/r", "--notify", "echo 'it ended'"]) == 0
    assert submissions == [["--notify", "echo 'it ended'"]]


def test_a_job_takes_the_code_along_and_nothing_else(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("from sweeps.quickstart import SWEEP\n")
    folder = tmp_path / "staged"
    folder.mkdir()
    assert jobs.stage(str(mine), folder) == "mine.py"
    assert {path.name for path in folder.iterdir()} == {*jobs.CODE, "mine.py"}
    assert not list(folder.rglob("__pycache__"))
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 5_000_000
    plan = [sys.executable, "-m", "smore_sweep", "plan", "mine.py", "--scale", "smoke"]
    assert subprocess.run(plan, cwd=folder, capture_output=True, check=False).returncode == 0
    revision = [sys.executable, "-c", "from smore_sweep.execution.revision import git_revision; print(git_revision())"]
    environment = os.environ | {"SMORE_SWEEP_REVISION": "0123abc"}  # the copy has no history
    output = subprocess.run(revision, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout
    assert output == "0123abc\n"
