"""A real SLURM of one node for the tests: munged, slurmctld and slurmd in a temporary folder.

By hand, ``python -m tests.e2e.slurm_cluster COMMAND ...`` runs a command in it.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.servers import free_ports

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel")
PATIENCE = 60.0
CPUS = 4
"""CPUs that the node claims to have, so that jobs run at the same time on any machine."""
CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}
SlurmctldPort={control}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
KillWait=5
MinJobAge=600
PropagateResourceLimits=NONE
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=1000 State=UNKNOWN
PartitionName=tests Nodes={host} Default=YES MaxTime=60 State=UP
PartitionName=other Nodes={host} MaxTime=60 State=UP
"""


NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
"""Starts a command whose descendants see no other processes, and end with it. A shell there reaps the orphaned ones."""
ISOLATED = subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


def missing() -> str:
    """Return why SLURM cannot be tested here, or an empty string."""
    lacking = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    return (
        f"not installed: {', '.join(lacking)} (apt-get install slurmctld slurmd slurm-client munge)" if lacking else ""
    )


@contextlib.contextmanager
def slurm() -> Iterator[dict[str, str]]:
    """Run a SLURM for the block. Yields the environment in which its commands find it."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # sockets have short paths
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
    environment |= {"PATH": _path(), "SLURM_CONF": str(folder / "slurm.conf")}
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    control, node = free_ports(2)
    (folder / "slurm.conf").write_text(
        CONFIGURATION.format(
            host=socket.gethostname().split(".")[0], control=control, node=node, folder=folder, user=getpass.getuser(),
            cpus=CPUS,
        )
    )  # fmt: skip
    files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munge.pid", "log-file": "munge.log"}
    munge = [f"--{option}={folder / name}" for option, name in {**files, "seed-file": "munge.seed"}.items()]
    commands = [
        ["munged", "--foreground", "--force", *munge],
        ["slurmctld", "-D"],
        [*NAMESPACE * ISOLATED, "bash", "-c", "slurmd -D & wait"],
    ]
    daemons = [_start(command, folder, environment) for command in commands]
    try:
        _wait_until_idle(folder, environment)
        yield environment
    finally:
        subprocess.run(["scancel", "--state=RUNNING"], env=environment, check=False, capture_output=True)
        for daemon in reversed(daemons):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(daemon.pid, signal.SIGTERM)
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(daemon.pid, signal.SIGKILL)
                daemon.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def _start(command: list[str], folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with (folder / f"{command[0]}.out").open("wb") as log:
        return subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True)


def _wait_until_idle(folder: Path, environment: Mapping[str, str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        shown = subprocess.run(["sinfo", "--noheader", "--format=%T"], env=environment, capture_output=True, text=True)
        if set(shown.stdout.split()) == {"idle"}:
            return
        if time.monotonic() > deadline:
            logs = "\n".join(path.read_text()[-2000:] for path in folder.glob("*.[lo][ou][gt]"))
            raise RuntimeError(f"SLURM does not start: {shown.stdout}{shown.stderr}\n{logs}")
        time.sleep(0.2)


if __name__ == "__main__":
    with slurm() as where:
        sys.exit(subprocess.run(sys.argv[1:], env=where, check=False).returncode)
