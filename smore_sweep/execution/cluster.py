"""Start a local Ray, or connect to a running cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ray

from smore_sweep.errors import ClusterError, first_line
from smore_sweep.execution.ray_auth import TOKEN_HINT
from smore_sweep.planning.stacks import LARGEST_STACK
from smore_sweep.training.device import ENVIRONMENT

QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",  # Tune's own report: two pages per sweep, even with verbose=0
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # a trial fails only if its worker is lost, which the reporter prints
    # Tune's logs of each result and repeated snapshots of its own state, which nothing reads.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
}
"""Environment variables that silence Ray Tune."""


@dataclass(frozen=True)
class Cluster:
    """Resources that a sweep can count on."""

    cpus: int
    gpus: float
    gpus_per_stack: float

    @property
    def slots(self) -> int:
        """Stacks that train at the same time."""
        return int(self.gpus / self.gpus_per_stack + 1e-9) if self.gpus_per_stack else self.cpus

    @property
    def largest_stack(self) -> int:
        """Largest number of runs in a stack."""
        return LARGEST_STACK["cuda" if self.gpus_per_stack else "cpu"]


@contextlib.contextmanager
def connected(address: str | None, gpus_per_stack: float | None, cpus: int | None = None) -> Iterator[Cluster]:
    """Start a local Ray or connect to a cluster, and leave it on exit.

    Args:
        address: The cluster's ``host:port`` or ``auto``; None starts a local Ray.
        gpus_per_stack: GPUs per stack; None for one where the cluster has GPUs.
        cpus: CPUs of a local Ray; None for all of the machine.

    Raises:
        ClusterError: If there is no such cluster, or if it lacks the resources.
    """
    warnings.filterwarnings("ignore", category=FutureWarning, module="ray")
    os.environ |= QUIET
    options: dict[str, Any] = {"address": "local", "include_dashboard": False, "num_cpus": cpus}
    if address:
        options = {"address": address, "runtime_env": {"env_vars": ENVIRONMENT}}
    else:
        os.environ.update(ENVIRONMENT)  # workers inherit it, so Ray can start them early
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:  # Ray also raises plain exceptions
        reason = first_line(error)  # the same for a cluster that is away and one that refuses access
        if address is None:
            raise ClusterError(f"Ray cannot be started: {reason}") from None
        raise ClusterError(f"no Ray cluster at {address!r}: {reason} (if it requires a token: {TOKEN_HINT})") from None
    signal.signal(signal.SIGTERM, on_sigterm)  # Ray's own handler ends the process
    try:
        resources = ray.cluster_resources()
        cpus, gpus = int(resources.get("CPU", 0)), float(resources.get("GPU", 0))
        share = gpus_per_stack if gpus_per_stack is not None else min(gpus, 1.0)
        if not (0 <= share <= 1 or (float(share).is_integer() and share > 0)):
            raise ClusterError(f"gpus per stack = {share:g} is not valid; it must be in [0, 1] or a whole number")
        if share > gpus:
            raise ClusterError(
                f"gpus per stack = {share:g} is more than the cluster has ({gpus:g}); give 0 to use CPUs"
            )
        if cpus < 1:
            raise ClusterError("the Ray cluster has no CPU to train on")
        yield Cluster(cpus, gpus, share)
    finally:
        ray.shutdown()
