"""The containers of docker/compose.yaml as plain processes of this machine: an MLflow server, a Ray head that trains
nothing, two workers of one CPU each, token authentication, everything on loopback.

Each node has an address, a home, a working directory and a temporary directory of its own. Where the system allows it
(mount namespaces), the workers cannot see the head's folder, so that only what is declared is shared.

By hand, ``python -m tests.e2e.topology COMMAND ...`` runs a command at the head, such as
``smore-sweep run quickstart --address auto``; without one it prints how to use it and waits for Ctrl-C.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE, GRACE = 120.0, 5.0
WORKERS = 2
STARTED = "Ray runtime started"
HIDE = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"']


@dataclass(frozen=True)
class Place:
    """The running topology. ``head``: the head's folder; ``shared``: the one folder that all nodes see."""

    head: Path
    shared: Path
    hidden: bool
    environment: dict[str, str]

    def run(self, command: Sequence[str], **changes: str | None) -> subprocess.Popen[str]:
        """Start a command at the head, where the drivers are, with changes to its environment (None removes)."""
        environment = {**self.environment, **{name: value for name, value in changes.items() if value is not None}}
        for name in [name for name, value in changes.items() if value is None]:
            environment.pop(name, None)
        return subprocess.Popen(
            list(command), env=environment, cwd=self.head, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip


@contextlib.contextmanager
def topology() -> Iterator[Place]:
    """Start all processes; kill them, and remove their folders, at the end."""
    mlflow_port, ray_port, jobs_port = free_ports(3)
    # A short path: a socket's name in it may have 107 characters.
    with (
        tempfile.TemporaryDirectory(prefix="smore-", ignore_cleanup_errors=True) as short,
        contextlib.ExitStack() as stack,
    ):
        folder = Path(short)
        processes: list[subprocess.Popen[bytes]] = []
        stack.callback(_end, processes)
        for name in ("head", "shared", "mlflow", "logs"):
            (folder / name).mkdir()
        token = folder / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_", "MINARI_"))
        }
        environment = clean | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", "")))),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_USAGE_STATS_ENABLED": "0",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        at_head = environment | {
            "HOME": str(folder / "head"),
            "MINARI_DATASETS_PATH": str(folder / "head" / "datasets"),
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{mlflow_port}",
        }

        def start(name: str, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
            home = folder / name
            home.mkdir(exist_ok=True)
            with (folder / "logs" / name).open("wb") as log:
                process = subprocess.Popen(
                    command, env=environment | {"HOME": str(home)}, cwd=home, stdout=log, stderr=subprocess.STDOUT,
                    start_new_session=True,
                )  # fmt: skip
            processes.append(process)
            return process

        mlflow = ["mlflow", "server", "--host", "127.0.0.1", "--port", str(mlflow_port), "--workers", "1"]
        mlflow += ["--backend-store-uri", f"sqlite:///{folder}/mlflow/mlflow.db"]
        mlflow += ["--artifacts-destination", str(folder / "shared" / "artifacts")]
        server = start("mlflow", mlflow, environment | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})
        head = start("head", _ray(folder, 0, "--head", f"--port={ray_port}", f"--dashboard-port={jobs_port}"), at_head)
        _wait(folder, head, "head")
        hide = [*HIDE, str(folder / "head")]
        hidden = subprocess.run([*hide, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
        workers = []
        for number in range(1, WORKERS + 1):
            command = _ray(folder, number, f"--address=127.0.0.1:{ray_port}")
            workers.append(start(f"worker{number}", [*(hide if hidden else []), *command], environment))
        for number, worker in enumerate(workers, 1):
            _wait(folder, worker, f"worker{number}")
        _wait_for_mlflow(server, mlflow_port)
        at_head["RAY_ADDRESS"] = f"127.0.0.1:{ray_port}"  # what --address auto means; there may be another Ray here
        at_head["JOBS_ADDRESS"], at_head["SHARED"] = f"http://127.0.0.1:{jobs_port}", str(folder / "shared")
        yield Place(folder / "head", folder / "shared", hidden, at_head)


def _ray(folder: Path, number: int, *options: str) -> list[str]:
    """``ray start`` for the head (number 0) or a worker. Nothing is left at a default port: others may use Ray here."""
    agent, metrics, runtime = free_ports(3)
    temporary = folder / f"r{number}"
    temporary.mkdir()
    return [
        "ray", "start", "--block", *options,
        f"--node-ip-address=127.0.0.{number + 1}",
        f"--num-cpus={min(number, 1)}", "--num-gpus=0", "--object-store-memory=100000000",
        f"--temp-dir={temporary}",
        f"--dashboard-agent-listen-port={agent}", f"--metrics-export-port={metrics}",
        f"--runtime-env-agent-port={runtime}", *(["--include-dashboard=true"] if number == 0 else []),
    ]  # fmt: skip


def _wait(folder: Path, process: subprocess.Popen[bytes], name: str) -> None:
    log = folder / "logs" / name
    deadline = time.monotonic() + PATIENCE
    while STARTED not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{name} did not start:\n{log.read_text()}")
        time.sleep(0.1)


def _wait_for_mlflow(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the MLflow server does not answer")
        time.sleep(0.2)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End processes and their groups: gently, so that Ray ends its workers, then for good."""
    for name in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, name)
        deadline = time.monotonic() + GRACE
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))


def free_ports(count: int) -> list[int]:
    """Ports of loopback that are free now, all different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def main(command: Sequence[str]) -> int:
    """Run a command at the head, or wait for Ctrl-C."""
    with topology() as place:
        if command:
            os.environ.update(place.environment)
            return subprocess.run(list(command), cwd=place.head, check=False).returncode
        for name in sorted(place.environment.items() - os.environ.items()):
            print(f"export {name[0]}={shlex.quote(name[1])}")
        print("# Ctrl-C ends it", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
