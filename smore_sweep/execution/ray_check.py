"""Start a local Ray for one task, to see whether it works here."""

from __future__ import annotations

import time

import ray

from smore_sweep.execution.cluster import connected


def try_ray() -> dict[str, float]:
    """Start Ray, run one task in a worker, and leave.

    Returns:
        Seconds until Ray had started and until the task had run, and the CPUs and GPUs that Ray sees.

    Raises:
        ClusterError: If Ray cannot be started.
    """
    started = time.monotonic()
    with connected(None, 0) as cluster:
        ready = time.monotonic()
        answer = ray.remote(num_cpus=1)(_answer)
        assert ray.get(answer.remote(), timeout=60) == _answer()
        return {
            "start_seconds": ready - started, "task_seconds": time.monotonic() - ready,
            "cpus": cluster.cpus, "gpus": cluster.gpus,
        }  # fmt: skip


def _answer() -> int:
    return 42
