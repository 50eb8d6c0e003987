"""Run a sweep as a job on a Ray cluster, through its job server: submit, follow, cancel.

The job's driver runs on the cluster's head node and outlives this machine's connection. Only the code of this checkout
and the sweep's file are sent; the cluster has the libraries. Ray's job client loads neither torch nor Tune.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shlex
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from smore_sweep.discovery import load_sweep
from smore_sweep.errors import ClusterError, first_line
from smore_sweep.execution import shipping
from smore_sweep.execution.ray_auth import TOKEN_HINT
from smore_sweep.execution.revision import REVISION, git_revision
from smore_sweep.exit_codes import INCOMPLETE, INTERRUPTED
from smore_sweep.storage.scratch import scratch_folder

JOBS_ADDRESS = "http://127.0.0.1:8265"
CODE = ("smore_sweep", "baselines", "sweeps", "analysis")
"""Folders that are sent: an allowlist, so that no virtual environment, data or results slip in."""
STOP_SECONDS = 30
"""Time for a cancelled sweep to write its records before it is killed."""
REACH_SECONDS, PAUSE_SECONDS = 5, 2
AWAY_SECONDS = 60
"""Longest absence of the job server while a job is followed."""


def submit(sweep: str, options: Sequence[str], *, results: str, address: str = JOBS_ADDRESS, detach: bool) -> int:
    """Run a sweep on the cluster behind a job server.

    Args:
        sweep: A shipped sweep, or a ``.py`` file.
        options: Options of ``smore-sweep run``.
        results: A path on the cluster.
        address: The job server's address.
        detach: Return at once.

    Returns:
        The job's exit code, or 0 if detached.

    Raises:
        ClusterError: If the path is wrong or the job server cannot be used.
    """
    load_sweep(sweep)
    if not (results.startswith("/") or "://" in results):
        raise ClusterError(f"results = {results} is not valid for a job; give a full path on the cluster")
    with _job_server(address) as server, scratch_folder() as scratch:
        folder = scratch / "code"
        folder.mkdir()
        name = stage(sweep, folder)
        command = ["python", "-m", "smore_sweep", "run", name, *options, "--results", results, "--address", "auto"]
        variables = {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS), REVISION: git_revision()}
        job: str = server.submit_job(
            entrypoint=shlex.join(command),
            submission_id=f"{Path(sweep).stem}-{secrets.token_hex(4)}",
            runtime_env={"working_dir": str(folder), "env_vars": variables},
        )
    if detach:
        print(f"job {job} is submitted\n{_next_commands(job, address)}")
        return 0
    print(f"job {job}", flush=True)
    return follow(job, address)


def stage(sweep: str, folder: Path) -> str:
    """Copy the code, and the sweep's file if it is one, into an empty folder; return the sweep's name there."""
    root = Path(__file__).parents[2]
    for name in CODE:
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    if not sweep.endswith(".py"):
        return sweep
    load_sweep(sweep)  # makes its folder known
    if not shipping.stage(folder):  # a file of sweeps/
        shutil.copy(sweep, folder)
    return Path(sweep).name


def follow(job: str, address: str = JOBS_ADDRESS) -> int:
    """Print a job's log from its beginning until it ends; return its exit code. Ctrl-C leaves the job running."""
    with _job_server(address) as server:
        try:
            info = _print_log(server, job)
        except KeyboardInterrupt:
            print(f"\njob {job} keeps running\n{_next_commands(job, address)}")
            return INTERRUPTED
    if info.status == "SUCCEEDED":
        return 0
    if info.status == "STOPPED":
        print(f"job {job} was cancelled")
        return INTERRUPTED
    if (info.driver_exit_code or 0) > 0:
        return int(info.driver_exit_code)
    print(f"job {job} failed: {(info.message or 'no reason is known').strip()}")  # did not start, or was killed
    return INCOMPLETE


def cancel(job: str, address: str = JOBS_ADDRESS) -> int:
    """Stop a job as Ctrl-C stops a sweep, and wait for its end. Finished runs are kept."""
    with _job_server(address) as server:
        server.stop_job(job)
        while not server.get_job_info(job).status.is_terminal():
            time.sleep(PAUSE_SECONDS)
        print(f"job {job}: {server.get_job_info(job).status.lower()}")
    return 0


def _print_log(server: Any, job: str) -> Any:
    """Print the log as it grows; return the ended job's info.

    The log is polled. Ray's own client keeps a socket open; when a proxy or a sleeping laptop cuts it, that looks like
    the end of the log. After its first answer the server may be away or busy for :data:`AWAY_SECONDS`.
    """
    length = 0
    last_answer: float | None = None
    while True:
        try:
            info = server.get_job_info(job)  # first: once it has ended, the log is complete
            log = server.get_job_logs(job)
        except (OSError, RuntimeError) as error:
            if last_answer is None:
                raise
            if time.monotonic() - last_answer > AWAY_SECONDS:
                raise ConnectionError(
                    f"{first_line(error)}; the job may still run: smore-sweep submit --follow {job}"
                ) from None
        else:
            last_answer = time.monotonic()
            print(log[length:], end="", flush=True)
            length = len(log)
            if info.status.is_terminal():
                return info
        time.sleep(PAUSE_SECONDS)


@contextlib.contextmanager
def _job_server(address: str) -> Iterator[Any]:
    """Connect to the job server at ``address``. Its errors become a :class:`ClusterError`."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ClusterError(f"jobs address = {address} is not valid; give the cluster's http://host:8265")
    try:
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        socket.create_connection((parts.hostname, port), timeout=REACH_SECONDS).close()
    except (OSError, ValueError) as error:
        raise ClusterError(f"no Ray job server at {address}: {error}") from None
    if {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ):
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ["RAY_API_SERVER_ADDRESS"] = address  # in Ray this, or else RAY_ADDRESS, overrules the argument
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    for logger in ("ray.dashboard.modules.dashboard_sdk", "ray._private.runtime_env.packaging"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    try:
        yield JobSubmissionClient(address)
    except AuthenticationError:
        raise ClusterError(f"the Ray job server at {address} refuses access; {TOKEN_HINT}") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise ClusterError(f"the Ray job server at {address} answers: {first_line(error)}") from None


def _next_commands(job: str, address: str) -> str:
    option = "" if address == JOBS_ADDRESS else f" --jobs-address {address}"
    return f"  smore-sweep submit --follow {job}{option}\n  smore-sweep submit --cancel {job}{option}"
