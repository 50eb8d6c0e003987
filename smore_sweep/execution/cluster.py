"""Start a local Ray, or connect to a running cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from smore_sweep.cores import usable_cores
from smore_sweep.errors import ClusterError, first_line
from smore_sweep.execution import shipping
from smore_sweep.execution.ray_auth import TOKEN_HINT
from smore_sweep.planning.stacks import LARGEST_STACK
from smore_sweep.storage.scratch import scratch_folder
from smore_sweep.training.device import ENVIRONMENT, worker_environment

QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",  # Tune's own report: two pages per sweep, even with verbose=0
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # a trial fails only if its worker is lost, which the reporter prints
    # Tune's logs of each result and repeated snapshots of its own state, which nothing reads.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
}
"""Environment variables that silence Ray Tune."""
NO_METRICS = {
    "RAY_enable_metrics_collection": "0",
    "AUTOSCALER_METRIC_PORT": "-1",  # a port that cannot be bound; there is no other switch
    "DASHBOARD_METRIC_PORT": "-1",
}
"""Environment variables that keep a local Ray from exporting metrics, which needs no token."""
IN_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Environment variable that Ray sets for the driver of a job."""
LONGEST_SOCKET = "ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
"""The longest path of a socket below a scratch folder."""
SOCKET_BYTES = 107
"""Longest path of a Unix socket, in bytes."""
MOST_EVALUATORS = 8
"""Most CPU cores that evaluate beside one stack on a GPU."""
SMALL_STACK = 10
"""Members below which a stack leaves most of a large GPU idle (docs/scaling/gpu.md)."""


@dataclass(frozen=True)
class Cluster:
    """Resources that a sweep can count on."""

    cpus: int
    gpus: float
    gpus_per_stack: float

    @property
    def slots(self) -> int:
        """Stacks that train at the same time."""
        if not self.gpus_per_stack:
            return self.cpus
        return int(self.gpus) * int(1 / self.gpus_per_stack + 1e-9)  # a share lies on one GPU

    @property
    def evaluators(self) -> int:
        """CPU cores beside each GPU stack that evaluate its policies. Without a GPU all cores train."""
        spare = self.cpus // self.slots - 1 if self.gpus_per_stack else 0
        return min(max(spare, 0), MOST_EVALUATORS)

    @property
    def largest_stack(self) -> int:
        """Largest number of runs in a stack."""
        return LARGEST_STACK["cuda" if self.gpus_per_stack else "cpu"]

    def __str__(self) -> str:
        if not self.gpus_per_stack:
            return f"{self.cpus} CPU cores"
        return f"{self.gpus:g} GPU" + ("s" if self.gpus != 1 else "")

    def idle(self, members: int, stacks: int) -> str | None:
        """Return what the user may do if ``stacks`` stacks of so many members, each alone on a GPU, leave it idle."""
        if self.gpus_per_stack != 1 or members >= SMALL_STACK or stacks <= self.slots:
            return None
        return (
            f"a stack of {members} leaves most of a GPU idle; with NVIDIA's MPS several can share one, such as by "
            "--gpus-per-stack 0.125 (docs/scaling/gpu.md)"
        )


@contextlib.contextmanager
def connected(address: str | None, gpus_per_stack: float | None, cpus: int | None = None) -> Iterator[Cluster]:
    """Start a local Ray or connect to a cluster, and leave it on exit.

    A local Ray keeps its session in a private folder, and exports no metrics unless the variables of
    :data:`NO_METRICS` are set.

    Args:
        address: The cluster's ``host:port`` or ``auto``; None starts a local Ray.
        gpus_per_stack: GPUs per stack; None for one where the cluster has GPUs.
        cpus: CPUs of a local Ray; None for all of the machine.

    Raises:
        ClusterError: If there is no such cluster, or if it lacks the resources.
    """
    warnings.filterwarnings("ignore", category=FutureWarning, module="ray")
    os.environ |= QUIET
    on_sigterm = signal.getsignal(signal.SIGTERM)
    with contextlib.ExitStack() as session:
        if address:
            environment: dict[str, Any] = {"env_vars": worker_environment()}
            code = session.enter_context(scratch_folder()) / "code"
            code.mkdir()
            if IN_A_JOB not in os.environ and shipping.stage(code):  # a job's workers have its folder already
                environment["working_dir"] = str(code)
            options: dict[str, Any] = {"address": address, "runtime_env": environment}
        else:
            shipping.add_to_path()
            os.environ.update(ENVIRONMENT)  # workers inherit it, so Ray can start them early
            os.environ.update({name: value for name, value in NO_METRICS.items() if name not in os.environ})
            folder = str(session.enter_context(_session_folder()))
            options = {
                "address": "local",
                "include_dashboard": False,
                "num_cpus": cpus or usable_cores(),
                "_temp_dir": folder,
            }
        session.callback(ray.shutdown)
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
        except Exception as error:  # Ray also raises plain exceptions
            reason = first_line(error)  # the same for a cluster that is away and one that refuses access
            if address is None:
                raise ClusterError(f"Ray cannot be started: {reason}") from None
            raise ClusterError(
                f"no Ray cluster at {address!r}: {reason} (if it requires a token: {TOKEN_HINT})"
            ) from None
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray's own handler ends the process
        yield _resources(gpus_per_stack)


def _resources(gpus_per_stack: float | None) -> Cluster:
    """Return the connected cluster's resources.

    Raises:
        ClusterError: If it lacks the resources.
    """
    resources = ray.cluster_resources()
    cpus, gpus = int(resources.get("CPU", 0)), float(resources.get("GPU", 0))
    share = gpus_per_stack if gpus_per_stack is not None else min(gpus, 1.0)
    if not 0 <= share <= 1:
        raise ClusterError(f"gpus per stack = {share:g} is not valid; it must be in [0, 1]")
    if share > gpus:
        raise ClusterError(f"gpus per stack = {share:g} is more than the cluster has ({gpus:g}); give 0 to use CPUs")
    if cpus < 1:
        raise ClusterError("the Ray cluster has no CPU to train on")
    return Cluster(cpus, gpus, share)


@contextlib.contextmanager
def _session_folder() -> Iterator[Path]:
    """Yield a folder for Ray's session that only this user can access.

    Ray opens its folders to all users, so it gets one below a private folder. The system's temporary folder is used, or
    ``/tmp`` if the paths of Ray's sockets would be too long.

    Raises:
        ClusterError: If they are too long in ``/tmp``, too.
    """
    first = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir())
    for base in (first, Path("/tmp")):
        with scratch_folder(base) as folder:
            if len(os.fsencode(folder / LONGEST_SOCKET)) <= SOCKET_BYTES:
                yield folder / "ray"
                return
    raise ClusterError(f"Ray cannot be started: TMPDIR = {first} is too long for its sockets; give a shorter path")
