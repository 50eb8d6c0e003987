"""An array in a real SLURM, disturbed at random for as long as it runs; its table against an undisturbed one.

Too long for ``make test``. By hand: ``python -m tests.e2e.slurm_chaos [--seed 0] [--seconds 10] [--array 3]``.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.e2e import slurm_cluster
from tests.e2e.slurm_jobs import call, processes, states
from tests.e2e.sweeping import SWEEP_FILE, assert_each_once_in_mlflow, assert_same_outcomes, table

KINDS = ("kill a worker", "kill a task", "suspend a worker", "its time is up", "requeue")


def main() -> int:
    """Run the sweep of the tests undisturbed, then disturbed; return 0 if their results are equal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10.0, help="mean time between two disturbances")
    parser.add_argument("--array", type=int, default=3)
    options = parser.parse_args()
    if reason := slurm_cluster.missing():
        parser.error(reason)
    chance, done = random.Random(options.seed), Counter[str]()
    with tempfile.TemporaryDirectory() as folder, slurm_cluster.slurm() as cluster:
        os.environ["MINARI_DATASETS_PATH"] = cluster["MINARI_DATASETS_PATH"] = f"{folder}/datasets"
        undisturbed, disturbed = Path(folder) / "undisturbed", Path(folder) / "disturbed"
        command = [sys.executable, "-m", "smore_sweep"]
        subprocess.run([*command, "work", str(SWEEP_FILE), "--results", str(undisturbed)], check=True, env=cluster)
        words = [*command, "submit", str(SWEEP_FILE), "--results", str(disturbed), "--slurm", "--time", "30"]
        words += ["--array", str(options.array), "--cpus-per-task", "1", "--memory", "100M", "--stack-size", "2"]
        job = call(cluster, *words).split()[1].rstrip(":")
        while tasks := states(cluster, job):
            time.sleep(chance.expovariate(1 / options.seconds))
            kind = chance.choice(KINDS)
            running = [task for task, state in tasks.items() if state == "RUNNING"]
            if running and _disturb(cluster, chance.choice(running), kind):
                done[kind] += 1
                print(f"{time.strftime('%X')} {kind}", flush=True)
        # What was killed too often is given up by its job; the same command goes on.
        subprocess.run([*command, "work", str(SWEEP_FILE), "--results", str(disturbed)], check=True, env=cluster)
        print(f"disturbances: {dict(done)}")
        assert_same_outcomes(undisturbed, disturbed)
        assert_each_once_in_mlflow(disturbed)
        assert table(undisturbed) == table(disturbed)
    print("the results are those of an undisturbed sweep")
    return 0


def _disturb(cluster: dict[str, str], task: str, kind: str) -> bool:
    """Disturb a task. Returns False if it has no process to disturb now."""
    with suppress(ValueError, IndexError, ProcessLookupError, subprocess.CalledProcessError):
        parent, workers = processes(task)
        if kind == "kill a worker":
            os.kill(workers[0], signal.SIGKILL)
        elif kind == "kill a task":
            os.kill(parent, signal.SIGKILL)
        elif kind == "suspend a worker":
            os.kill(workers[0], signal.SIGSTOP)
            time.sleep(2)
            os.kill(workers[0], signal.SIGCONT)
        elif kind == "requeue":
            call(cluster, "scontrol", "requeue", task)
        else:
            call(cluster, "scancel", "--signal=USR1", "--batch", task)
        return True
    return False


if __name__ == "__main__":
    sys.exit(main())
