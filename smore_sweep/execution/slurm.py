"""Submit a sweep to a SLURM cluster: write a plain ``sbatch`` file, and hand it in.

Two ways to use many nodes: an *array* of tasks that share the results folder and start one by one as the queue lets
them (``smore-sweep work``), and one *allocation* on whose nodes Ray starts together (``smore-sweep run``). Both stop
shortly before their time is up, and are queued again until nothing is left to do.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smore_sweep.errors import ClusterError, StorageError, first_line
from smore_sweep.execution.revision import REVISION, git_revision
from smore_sweep.storage.atomic import atomic_write

ROOT = Path(__file__).parents[2]
TIME = re.compile(r"(?:(?P<days>\d+)-(?P<hours>\d+)(?::(?P<of_day>\d+(?::\d+)?))?|(?P<parts>\d+(?::\d+){0,2}))")
WORD, MEMORY, GPUS = re.compile(r"[\w.+,-]+"), re.compile(r"\d+[KMGT]"), re.compile(r"(?:[\w.-]+:)?[1-9]\d*")
SHORTEST, LONGEST = 30, 600
"""Bounds of the seconds between the signal that time is nearly up and its end; otherwise a tenth of the time."""
WITHOUT_LIMIT = 300
KILLS = 5
"""Restarts after a kill, as by a node that has no memory left; so many that is hopeless."""

ALLOCATION = """\
# Ray listens on all addresses of a node, and runs the code of anyone who has the token.
export RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \\n')
export RAY_AUTH_TOKEN RAY_USAGE_STATS_ENABLED=0 RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$head:$((20000 + SLURM_JOB_ID % 20000))
"""
WAIT = """\
# Near the end of the time SLURM signals this shell: end the work in order, then queue this job again.
near_end=
trap 'near_end=1; kill -{signal} "$work" 2>/dev/null' USR1
trap 'kill -TERM "$work" 2>/dev/null' TERM
code=128
while [ "$code" -ge 128 ]; do  # a trap ends wait, too
  code=0; wait "$work" || code=$?
  kill -0 "$work" 2>/dev/null || {{ wait "$work"; code=$?; break; }}
done
"""
REQUEUE = """\
killed=$([ "$code" -eq 137 ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {kills} ] && echo 1)
if [ "$code" -ne 0 ] && [ -n "$near_end$killed" ]; then
  echo "exit code $code: queueing this job again"
  scontrol requeue "{job}"
  sleep 60  # it is ended meanwhile
fi
"""


@dataclass(frozen=True)
class Resources:
    """What a job asks SLURM for. ``array`` tasks of one node each, or ``nodes`` for one job.

    Attributes:
        array: Tasks of an array; 0 for an allocation.
        nodes: Nodes of an allocation.
        cpus: CPUs per task (which is a node's, in an allocation).
        gpus: GPUs per task, ``2`` or ``a100:2``; empty for none.
        memory: Memory per node, ``16G``; empty for the cluster's default.
        time: Time limit in any form of SLURM's; empty for the partition's.
        partition: Partition; empty for the default one.
        account: Account to charge; empty for the user's.
        requeue: Whether to go on in a new job when the time is up.
        extra: Further options of sbatch, ``mail-type=END``.
        image: An Apptainer image with the libraries; None for this Python's.
    """

    array: int = 1
    nodes: int = 1
    cpus: int = 4
    gpus: str = ""
    memory: str = ""
    time: str = ""
    partition: str = ""
    account: str = ""
    requeue: bool = True
    extra: Sequence[str] = ()
    image: Path | None = None

    def check(self) -> None:
        """Raise :class:`ClusterError` for a value that SLURM would refuse, or that would become another line."""
        for name, value, pattern, valid in (
            ("partition", self.partition, WORD, "a name that sinfo shows"),
            ("account", self.account, WORD, "a name, such as my_group"),
            ("memory", self.memory, MEMORY, "a number with K, M, G or T, such as 16G"),
            ("GPUs per task", self.gpus, GPUS, "a number, or kind:number, such as 2 or a100:2"),
        ):
            if value and not pattern.fullmatch(value):
                raise ClusterError(f"{name} = {value!a} is not valid; give {valid}")
        for option in self.extra:
            if not re.fullmatch(r"-{0,2}[a-z][\w-]*(=[^\n\r]+)?", option):
                raise ClusterError(f"sbatch = {option!a} is not valid; give an option of sbatch, such as mail-type=END")
        if self.image and not self.image.is_file():
            raise ClusterError(f"image = {self.image} is no file; apptainer build {self.image} docker/apptainer.def")
        self.margin()

    def margin(self) -> int:
        """Return how many seconds before the end of its time a job is signalled.

        Raises:
            ClusterError: The time is not one.
        """
        if not self.time:
            return WITHOUT_LIMIT
        match = TIME.fullmatch(self.time)
        if not match:
            raise ClusterError(
                f"time = {self.time!a} is not valid; give minutes, hours:minutes:seconds or days-hours, "
                "such as 30, 04:00:00 or 1-12"
            )
        if match["days"]:
            minutes, seconds = ([*map(int, (match["of_day"] or "0").split(":")), 0])[:2]
            total = ((int(match["days"]) * 24 + int(match["hours"])) * 60 + minutes) * 60 + seconds
        else:
            parts = [int(part) for part in match["parts"].split(":")]
            hours, minutes, seconds = parts if len(parts) == 3 else (0, *parts, *([0] * (2 - len(parts))))
            total = (hours * 60 + minutes) * 60 + seconds
        return min(LONGEST, max(SHORTEST, total // 10))


def script(name: str, options: Sequence[str], results: Path | str, resources: Resources) -> str:
    """Return the sbatch file of a sweep.

    Args:
        name: A shipped sweep, or the full path of a ``.py`` file.
        options: Options of ``smore-sweep run`` and ``work``.
        results: The results folder's full path, or an object store's address.
        resources: What to ask SLURM for.
    """
    stem, margin = Path(name).stem, resources.margin()
    logs = log_folder(results)
    job = "%A_%a" if resources.array else "%j"
    directives = {
        "job-name": stem,
        "partition": resources.partition,
        "account": resources.account,
        "array": f"0-{resources.array - 1}" if resources.array else "",
        "nodes": 1 if resources.array else resources.nodes,
        "ntasks-per-node": 1,
        "cpus-per-task": resources.cpus,
        "gres": f"gpu:{resources.gpus}" if resources.gpus else "",
        "mem": resources.memory,
        "time": resources.time,
        "output": f'"{logs / stem}-{job}.log"',
        "open-mode": "append",
        "signal": f"B:USR1@{margin}",
    }
    lines = [f"--{key}={value}" for key, value in directives.items() if value != ""]
    lines += ["--requeue" if resources.requeue else "--no-requeue"]
    lines += [] if resources.array else ["--exclusive"]  # symmetric-run stops every Ray of the user on its node
    lines += [f"--{option.lstrip('-')}" for option in resources.extra]
    common = [name, *options, "--results", str(results)]
    shell = [
        "#!/bin/bash",
        *(f"#SBATCH {line}" for line in lines),
        "",
        f"export PYTHONPATH={_quoted(ROOT)}${{PYTHONPATH:+:$PYTHONPATH}}",
    ]
    if resources.image:  # it has the libraries; the code is that of the checkout
        shell.append(f"export {REVISION}={_quoted(git_revision())}")
        start = _container(resources, results)
    else:
        shell.append(f"export PATH={_quoted(Path(sys.executable).parent)}:$PATH")
        start = ""
    if resources.array:
        words = ["work", *common, "--processes", str(resources.array), "--grace", str(max(10, margin - 20))]
        shell += ["", f"{start}python -m smore_sweep {shlex.join(words)} &"]
    else:
        shell += [
            "",
            ALLOCATION,
            f'srun --cpus-per-task="$SLURM_CPUS_PER_TASK" {start}ray symmetric-run --address "$address" \\',
            '  --min-nodes "$SLURM_JOB_NUM_NODES" --num-cpus "$SLURM_CPUS_PER_TASK" '
            f"--num-gpus {int(resources.gpus.rpartition(':')[2] or 0)} --include-dashboard false -- \\",
            f'  python -m smore_sweep {shlex.join(["run", *common])} --address "$address" &',
        ]
    shell += ["work=$!", "", WAIT.format(signal="USR1" if resources.array else "TERM")]
    if resources.requeue:
        number = "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}" if resources.array else "$SLURM_JOB_ID"
        shell.append(REQUEUE.format(kills=KILLS, job=number))
    return "\n".join([*shell, 'exit "$code"', ""])


def submit(text: str, path: Path) -> str:
    """Write an sbatch file and hand it in; return the job's number.

    Raises:
        ClusterError: SLURM is not installed here, or refuses the job.
        StorageError: The file cannot be written.
    """
    if not shutil.which("sbatch"):
        raise ClusterError("there is no sbatch here; give this command on a cluster's login node, or add --dry-run")
    try:
        with atomic_write(path) as unfinished:
            unfinished.write_text(text)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from None
    done = subprocess.run(["sbatch", "--parsable", str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = first_line(RuntimeError(done.stderr.strip() or f"exit code {done.returncode}"))
        raise ClusterError(f"SLURM refuses the job: {reason.removeprefix('sbatch: ').removeprefix('error: ')}")
    return done.stdout.strip().partition(";")[0]  # the cluster's name may follow


def log_folder(results: Path | str) -> Path:
    """Return the folder of sbatch files and logs: below the results or, if those are remote, here."""
    return (results if isinstance(results, Path) else Path.cwd()) / "slurm"


def _container(resources: Resources, results: Path | str) -> str:
    """Return the words that run a command in the image."""
    assert resources.image is not None
    folders = [ROOT, *([results] if isinstance(results, Path) else [])]
    binds = [f"--bind {_quoted(folder)}" for folder in folders]
    gpu = ["--nv"] if resources.gpus else []
    return " ".join(["apptainer exec", *gpu, *binds, _quoted(resources.image.resolve()), ""])


def _quoted(path: Path | str) -> str:
    return shlex.quote(str(path))
