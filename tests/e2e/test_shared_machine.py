"""A running sweep on a machine with other users: they see, change and call nothing; a kill leaves nothing for good."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from smore_sweep.bench.processes import below, workers
from tests.e2e.sweeping import driver, wait_for

grpc = importlib.import_module("grpc")  # it has no types

NOBODY = 65534
SERVICES = (
    "NodeInfoGcsService/GetAllNodeInfo", "InternalKVGcsService/InternalKVKeys", "JobInfoGcsService/GetAllJobInfo",
    "NodeManagerService/GetNodeStats", "CoreWorkerService/GetCoreWorkerStats", "ObjectManagerService/Pull",
    "ReporterService/HealthCheck",
)  # fmt: skip
"""A method of each service that Ray's processes offer."""
VISITOR = """
import os, sys
from pathlib import Path
scratch, session = Path(sys.argv[1]), Path(sys.argv[2])
attempts = {
    "list scratch": lambda: list(scratch.iterdir()),
    "list session": lambda: list(session.iterdir()),
    "create in scratch": lambda: (scratch / "mine").write_text("x"),
    "create in logs": lambda: (session / "logs" / "mine").write_text("x"),
    "rename sockets": lambda: (session / "sockets").rename(session / "moved"),
    "rename session": lambda: session.rename(session.with_name("moved")),
    "rename scratch": lambda: scratch.rename(scratch.with_name("moved")),
    "read token": lambda: Path(f"/proc/{sys.argv[3]}/environ").read_bytes(),
}
for name, attempt in attempts.items():
    try:
        attempt()
    except PermissionError:
        continue
    print(name)
"""


@pytest.fixture
def temporary_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a temporary folder as of a shared machine, with a path short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    folder.chmod(0o1777)
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def scratch_folders(temporary_folder: Path) -> set[Path]:
    return set(temporary_folder.glob("smore_sweep-*"))


def open_folder(temporary_folder: Path) -> Path:
    """Return a folder with a session as open as Ray makes it."""
    folder = temporary_folder / "open"
    for path in (folder, folder / "session", folder / "session" / "logs", folder / "session" / "sockets"):
        path.mkdir()
        path.chmod(0o777)
    return folder


def visit(scratch: Path, session: Path, pid: int) -> set[str]:
    """Return what another user can do to the folders and a process."""
    process = subprocess.run(
        ["/usr/bin/env", "python3", "-c", VISITOR, str(scratch), str(session), str(pid)],
        user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, check=True, cwd="/",
    )  # fmt: skip
    return set(process.stdout.splitlines())


def listening(pids: list[int]) -> list[tuple[str, int]]:
    """Return an address and the port of each socket on which one of the processes listens."""
    inodes = set()
    for pid in pids:
        with suppress(OSError):  # it ended meanwhile
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    inodes.add(str(descriptor.readlink()))
    found = []
    for family, table in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                words, port = fields[1].split(":")
                packed = b"".join(bytes.fromhex(words[at : at + 8])[::-1] for at in range(0, len(words), 8))
                loopback = "127.0.0.1" if family == socket.AF_INET else "::1"
                found.append((socket.inet_ntop(family, packed) if any(packed) else loopback, int(port, 16)))
    return found


def over_grpc(host: str, port: int, token: str = "") -> set[str]:
    """Call a method of each service of Ray; return the states of the answers, without those that are not offered."""
    answers = set()
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    metadata = [("authorization", f"Bearer {token}")] if token else None
    with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        for method in SERVICES:
            try:
                channel.unary_unary(f"/ray.rpc.{method}")(b"", timeout=60, metadata=metadata)
                answers.add("OK")
            except grpc.RpcError as error:
                answers.add(error.code().name)
    return answers - {"UNIMPLEMENTED"}


def over_http(host: str, port: int) -> bytes:
    """Return the first line of the answer to a request for metrics."""
    with socket.create_connection((host, port), timeout=60) as connection:
        connection.settimeout(5)
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        try:
            return connection.recv(1000).split(b"\r\n")[0]
        except OSError:
            return b""


def environment(pid: int) -> dict[str, str]:
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def test_other_users_reach_nothing_of_a_running_sweep_and_a_kill_leaves_nothing(
    undisturbed: tuple[Path, str], temporary_folder: Path, tmp_path: Path
) -> None:
    with driver(tmp_path) as process:
        wait_for(lambda: bool(workers(process.pid)), process)
        worker = workers(process.pid)[0]
        token = environment(worker)["RAY_AUTH_TOKEN"]
        pids = below(process.pid)
        for pid in pids:
            with suppress(FileNotFoundError):
                assert token.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        (session,) = temporary_folder.glob("smore_sweep-*/ray/session_2*")
        assert {path.parent for path in scratch_folders(temporary_folder)} == {temporary_folder}
        assert {path.stat().st_mode & 0o777 for path in scratch_folders(temporary_folder)} == {0o700}
        if os.geteuid() == 0:
            for scratch in scratch_folders(temporary_folder):
                assert not visit(scratch, session, worker)
            usual = open_folder(temporary_folder)
            assert visit(usual, usual / "session", worker) == {
                "list scratch", "list session", "create in scratch", "create in logs", "rename sockets",
                "rename session",
            }  # fmt: skip

        ports = listening(pids)
        assert len(ports) >= 6
        answers = {}
        for host, port in ports:
            line = over_http(host, port)
            if line.startswith(b"HTTP/1.1 "):
                assert line.split()[1] == b"401", (host, port, line)
            else:
                answers[host, port] = over_grpc(host, port)
        assert len(answers) >= 5
        assert set(map(frozenset, answers.values())) == {frozenset({"UNAUTHENTICATED"})}, answers
        assert any("OK" in over_grpc(*address, token) for address in answers)  # the calls themselves are right

        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    left = scratch_folders(temporary_folder)
    assert left
    with driver(tmp_path) as process:
        wait_for(lambda: bool(workers(process.pid)), process)
        assert not left & scratch_folders(temporary_folder)
        os.kill(process.pid, signal.SIGTERM)
        process.wait()
    assert not scratch_folders(temporary_folder)
