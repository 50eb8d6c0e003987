"""Look at jobs in a SLURM of the tests, and find their processes."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def call(cluster: Mapping[str, str], *words: str) -> str:
    """Give a command in the cluster; return its output."""
    return subprocess.run(words, capture_output=True, text=True, check=True, env=cluster).stdout


def states(cluster: Mapping[str, str], job: str) -> dict[str, str]:
    """Return the state of each task of a job that has not ended; those that wait for their requeue may start now."""
    lines = call(cluster, "squeue", "--noheader", "--array", f"--job={job}", "--format=%i %T %r").splitlines()
    for task, state, reason in map(str.split, lines):
        if (state, reason) == ("PENDING", "BeginTime"):  # SLURM lets a requeued job wait for two minutes
            with suppress(subprocess.CalledProcessError):
                call(cluster, "scontrol", "update", f"jobid={task}", "StartTime=now")
    return {task: state for task, state, _ in map(str.split, lines)}


def processes(task: str) -> tuple[int, list[int]]:
    """Return the process of a task's ``smore-sweep work``, and its workers.

    Raises:
        ValueError: The task has none at the moment.
    """
    mine: dict[int, bytes] = {}
    job, _, index = task.partition("_")
    marks = {f"SLURM_ARRAY_JOB_ID={job}".encode(), f"SLURM_ARRAY_TASK_ID={index}".encode()}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if marks <= set((folder / "environ").read_bytes().split(b"\0")):
                mine[int(folder.name)] = (folder / "cmdline").read_bytes()
    named = [pid for pid, command in mine.items() if b"\0work\0" in command]
    # A child has its parent's command line until it executes its own.
    (parent,) = (pid for pid in named if _parent(pid) not in named)
    return parent, [pid for pid, command in mine.items() if b"spawn_main" in command]


def _parent(pid: int) -> int | None:
    """Return the process that started this one; None where it has ended."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return None
