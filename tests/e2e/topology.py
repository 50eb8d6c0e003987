"""The containers of docker/compose.yaml as plain processes on loopback.

These are an MLflow server, a Ray head that trains nothing, and two workers of one CPU each, with token authentication.
Each node has its own address, home, working directory and temporary directory. Where the system allows it (mount
namespaces), the workers cannot see the head's folder, so that they share only declared folders.

By hand, ``python -m tests.e2e.topology COMMAND ...`` runs a command at the head, such as
``smore-sweep run quickstart --address auto``; without one it prints how to use it and waits for Ctrl-C.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from tests.servers import answers, free_ports

ROOT = Path(__file__).parents[2]
PATIENCE, GRACE = 600.0, 5.0
WORKERS = ("worker1", "worker2")
STARTED = "Ray runtime started"
HIDE = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"']
MARK = "SMORE_SWEEP_PLACE"
"""Environment variable with the owner of a process. It comes last, because Ray's titles overwrite the first ones."""
Driver = subprocess.Popen[str]


class Cluster:
    """The topology's processes: ``mlflow``, ``head``, ``worker1``, ``worker2``. Each can be killed and started again.

    ``head`` and ``mlflow`` are their folders, all nodes see ``shared``, drivers have ``environment``.
    """

    def __init__(self, folder: Path) -> None:
        self.head, self.shared, self.mlflow = folder / "head", folder / "shared", folder / "mlflow"
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("head", "shared", "mlflow", "logs"):
            (folder / name).mkdir()
        token = folder / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        self._mlflow_port, self._ray_port, jobs_port = free_ports(3)
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_", "MINARI_"))
        }
        everywhere = clean | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", "")))),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        self.environment = everywhere | {
            "HOME": str(self.head),
            "MINARI_DATASETS_PATH": str(self.head / "datasets"),
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{self._mlflow_port}",
            "RAY_ADDRESS": f"127.0.0.1:{self._ray_port}",  # what --address auto means; there may be another Ray here
            "JOBS_ADDRESS": f"http://127.0.0.1:{jobs_port}",
            "SHARED": str(self.shared),
            MARK: str(folder / "driver"),
        }
        self._environments = {
            "mlflow": everywhere | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            "head": {name: value for name, value in self.environment.items() if name != "RAY_ADDRESS"},
        } | dict.fromkeys(WORKERS, everywhere)
        hide = [*HIDE, str(self.head)]
        hidden = subprocess.run([*hide, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
        self._hide = hide if hidden else []
        self._jobs_port = jobs_port

    def launch(self, name: str) -> None:
        """Start a process in its own folder."""
        home = self._folder / name
        home.mkdir(exist_ok=True)
        with self._log(name).open("wb") as log:
            self._processes[name] = subprocess.Popen(
                self._command(name), env=self._environments[name] | {"HOME": str(home), MARK: str(home)}, cwd=home,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def wait(self, name: str) -> None:
        """Wait until a started process is ready."""
        deadline = time.monotonic() + PATIENCE
        health = f"http://127.0.0.1:{self._mlflow_port}/health"
        while not (answers(health) if name == "mlflow" else STARTED in self._log(name).read_text()):
            if self._processes[name].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start:\n{self._log(name).read_text()}")
            time.sleep(0.1)

    def kill(self, name: str) -> None:
        """Kill (-9) a process and all its descendants: a node with its Ray and its workers."""
        while alive := [pid for pid in self.processes() if self.node(pid) == name]:
            for pid in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._processes[name].poll()
            time.sleep(0.02)
        self._processes[name].wait()

    def processes(self) -> list[int]:
        """Return all processes of this topology, and of the drivers started in it."""
        mark = f"\0{MARK}={self._folder}/".encode()
        everything = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [pid for pid in everything if mark in _read(pid, "environ")]

    def node(self, pid: int) -> str:
        """Return the owner of a process: ``driver``, or one of the four."""
        found = re.search(rf"\0{MARK}=([^\0]*)".encode(), _read(pid, "environ"))
        return Path(os.fsdecode(found.group(1))).name if found else ""

    def actors(self, name: str) -> dict[int, str]:
        """Return the process ids of all Ray actors or tasks of that name, with their nodes."""
        return {
            pid: self.node(pid) for pid in self.processes() if _read(pid, "cmdline").startswith(f"ray::{name}".encode())
        }

    def run(self, command: Sequence[str], output: int | IO[str] = subprocess.PIPE, /, **changes: str | None) -> Driver:
        """Start a command at the head, where the drivers are, with changes to its environment (None removes)."""
        environment = {**self.environment, **{name: value for name, value in changes.items() if value is not None}}
        for name in [name for name, value in changes.items() if value is None]:
            environment.pop(name, None)
        return subprocess.Popen(
            list(command), env=environment, cwd=self.head, start_new_session=True,
            stdout=output, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def end(self) -> None:
        """End all processes and their groups: gently, so that Ray ends its workers, then for good."""
        for name in (signal.SIGTERM, signal.SIGKILL):
            for process in self._processes.values():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, name)
            deadline = time.monotonic() + GRACE
            for process in self._processes.values():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))

    def _log(self, name: str) -> Path:
        return self._folder / "logs" / name

    def _command(self, name: str) -> list[str]:
        if name == "mlflow":
            command = ["mlflow", "server", "--host", "127.0.0.1", "--port", str(self._mlflow_port), "--workers", "1"]
            command += ["--backend-store-uri", f"sqlite:///{self._folder}/mlflow/mlflow.db"]
            return [*command, "--artifacts-destination", str(self.shared / "artifacts")]
        if name == "head":
            options = ["--head", f"--port={self._ray_port}", f"--dashboard-port={self._jobs_port}"]
            return self._ray(0, *options, "--include-dashboard=true")
        return [*self._hide, *self._ray(WORKERS.index(name) + 1, f"--address=127.0.0.1:{self._ray_port}")]

    def _ray(self, number: int, *options: str) -> list[str]:
        """``ray start`` for the head (number 0) or a worker. Nothing is left at a default port: others may use Ray."""
        agent, metrics, runtime = free_ports(3)
        return [
            "ray", "start", "--block", *options,
            f"--node-ip-address=127.0.0.{number + 1}",
            f"--num-cpus={min(number, 1)}", "--num-gpus=0", "--object-store-memory=100000000",
            f"--temp-dir={tempfile.mkdtemp(prefix=f'r{number}', dir=self._folder)}",
            f"--dashboard-agent-listen-port={agent}", f"--metrics-export-port={metrics}",
            f"--runtime-env-agent-port={runtime}",
        ]  # fmt: skip


@contextlib.contextmanager
def topology() -> Iterator[Cluster]:
    """Start all processes; kill them, and remove their folders, at the end."""
    # A short path: a socket's name in it may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="smore-", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(Path(folder))
        try:
            cluster.launch("mlflow")
            cluster.launch("head")
            cluster.wait("head")
            for name in WORKERS:
                cluster.launch(name)
            for name in (*WORKERS, "mlflow"):
                cluster.wait(name)
            yield cluster
        finally:
            cluster.end()


def _read(pid: int, what: str) -> bytes:
    """Read a file of a process; empty if the process has ended."""
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except OSError:
        return b""


def main(command: Sequence[str]) -> int:
    """Run a command at the head, or wait for Ctrl-C."""
    with topology() as cluster:
        if command:
            os.environ.update(cluster.environment)
            return subprocess.run(list(command), cwd=cluster.head, check=False).returncode
        for name in sorted(cluster.environment.items() - os.environ.items()):
            print(f"export {name[0]}={shlex.quote(name[1])}")
        print("# Ctrl-C ends it", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
