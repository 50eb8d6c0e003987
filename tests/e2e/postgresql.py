"""A real PostgreSQL server for the tests, from the machine's packages, on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

USER, PASSWORD = "sweeper", "not-to-be-shown"
UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root."""


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, or None if it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[4]))
    on_path = shutil.which("postgres")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@contextmanager
def database() -> Iterator[Path]:
    """Create the files of an empty database whose only user has a password."""
    folder = Path(tempfile.mkdtemp(prefix="smore_sweep-"))
    try:
        password = folder / "password"
        password.write_text(PASSWORD)
        if os.geteuid() == 0:
            shutil.chown(folder, UNPRIVILEGED)
            shutil.chown(password, UNPRIVILEGED)
        options = ["--username", USER, "--pwfile", str(password), "--auth", "scram-sha-256", "--no-sync"]
        _start("initdb", "--pgdata", str(folder / "data"), *options).wait()
        yield folder / "data"
    finally:
        shutil.rmtree(folder)


@contextmanager
def server(data: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server of these files, ready to answer, for the block."""
    process = _start("postgres", "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", str(data), "-F")
    try:
        for _ in range(600):
            assert process.poll() is None, "the server ended"
            try:
                psycopg.connect(uri(port)).close()
                break
            except psycopg.OperationalError:
                time.sleep(0.1)
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a server without waiting for its clients."""
    if process.poll() is None:
        process.send_signal(signal.SIGQUIT)
    process.wait()


def uri(port: int, password: str = PASSWORD) -> str:
    """Return the tracking URI of a server."""
    return f"postgresql://{USER}:{password}@127.0.0.1:{port}/postgres"


def _start(program: str, *options: str) -> subprocess.Popen[bytes]:
    folder = programs()
    assert folder is not None
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = {"user": UNPRIVILEGED, "group": "nogroup", "extra_groups": []}
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        [str(folder / program), *options], stdout=quiet, stderr=quiet, cwd="/", start_new_session=True, **user
    )
