"""A disturbed sweep: start, watch, end and restart its driver, and check the results in the end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from smore_sweep.results import record, run_files
from smore_sweep.run_spec import RunSpec
from tests.e2e.sweeping import assert_each_once_in_mlflow, assert_same_outcomes, mlflow_runs, table
from tests.e2e.topology import Cluster, Driver

PATIENCE = 600.0
"""Seconds without progress after which a sweep counts as hanging."""

POLL = 0.3
NOTHING_LEFT_SECONDS = 30.0


class DisturbedSweep:
    """A sweep on a topology, in a results folder, with the log of each of its drivers in ``logs``."""

    def __init__(self, cluster: Cluster, file: Path, runs: Sequence[RunSpec], results: Path, logs: Path) -> None:
        self.cluster, self.file, self.runs, self.results = cluster, file, runs, results
        self.restarts = 0
        self.down: dict[str, bool] = {}
        """Killed processes not restarted yet, and whether they stay away until the driver's end."""
        self._logs = logs
        self._damaged: dict[Path, int] = {}
        self._first_seen: dict[Path, tuple[int, int]] = {}
        self._base = 0
        logs.mkdir(parents=True, exist_ok=True)
        self._log = logs / "driver-1.log"
        self.driver = self.give_command(self._log)

    @property
    def evaluations(self) -> int:
        """Number of evaluations of the whole sweep."""
        return sum(run.budget.updates // run.budget.evaluate_every for run in self.runs)

    def kept(self) -> int:
        """Return the number of evaluations recorded so far."""
        return sum(self._behind(run) // run.budget.evaluate_every for run in self.runs)

    def said(self) -> str:
        """Return the driver's output."""
        return self._log.read_text()

    def give_command(self, log: Path) -> Driver:
        """Start a driver."""
        line = ["smore-sweep", "run", str(self.file), "--results", str(self.results), "--address", "auto"]
        with log.open("w") as file:
            return self.cluster.run(line, file)

    def again(self) -> None:
        """Give the same command again, after the driver has ended. While MLflow is away it is refused."""
        if "mlflow" in self.down:
            self.start()
            self.expect(2, says="cannot be reached")
            self.heal(ended=True)
        self.start()

    def start(self) -> None:
        """Give the command."""
        self.restarts += 1
        self._log = self._logs / f"driver-{self.restarts + 1}.log"
        self.driver = self.give_command(self._log)

    def instant(self, gap: float) -> bool:
        """Wait until a share of all evaluations was recorded, or for the driver's first output if it is 0.

        Returns False if the driver ends before.
        """
        wanted = round(gap * self.evaluations)
        return self.wait(lambda: self.kept() >= self._base + wanted if wanted else bool(self.said()))

    def wait(self, until: Callable[[], bool]) -> bool:
        """Wait for a condition. Returns False if the driver ends before."""
        kept, since = -1, time.monotonic()
        while not until():
            self.observe()
            if self.driver.poll() is not None:
                return False
            if (now := self.kept()) != kept:
                kept, since = now, time.monotonic()
            assert time.monotonic() - since < PATIENCE, f"nothing happens any more:\n{self.said()}"
            time.sleep(POLL)
        return True

    def observe(self) -> None:
        """Check that files of ended runs are never written again, unless they are damaged."""
        for path in filter(zipfile.is_zipfile, self.results.glob("runs/*/done.npz")):
            status = path.stat()
            if self._damaged.get(path) == status.st_mtime_ns:
                continue
            seen = self._first_seen.setdefault(path, (status.st_mtime_ns, status.st_size))
            assert seen == (status.st_mtime_ns, status.st_size), (
                f"the finished run {path.parent.name} was trained again"
            )

    def damaged(self, path: Path) -> None:
        """Allow a file that the harness has damaged to be written again.

        The arrays of a finished run are checked when they are loaded, so load them, as ``verify`` does.
        """
        self._first_seen.pop(path, None)
        self._damaged[path] = path.stat().st_mtime_ns
        if path.name == "done.npz":
            run_files.load(self.results, path.parent.name)

    def disturbed(self) -> None:
        """Count the next instant from here."""
        self._base = self.kept()

    def expect(self, *codes: int, says: str = "") -> int:
        """Wait for the driver's end, with one of these exit codes and this output.

        A refusal must have no traceback (Tune prints one for a lost worker).
        """
        self.wait(lambda: False)
        code, said = self.driver.wait(), self.said()
        assert code in codes, f"the exit code is {code}, not {' or '.join(map(str, codes))}:\n{said}"
        assert says.lower() in said.lower() or code == 0 != codes[0], f"{says!r} was not said:\n{said}"
        assert code != 2 or "Traceback" not in said, said
        return code

    def interrupt(self, name: signal.Signals) -> int:
        """End the driver like Ctrl-C or a cluster; afterwards no entry in MLflow says that it still runs.

        A driver that has not begun to train may leave such entries of an earlier, killed driver to the next one.
        """
        (os.killpg if name == signal.SIGINT else os.kill)(self.driver.pid, name)
        code = self.expect(130, 0, says="interrupted")
        if "mlflow" not in self.down and "training " in self.said():
            running = [run_id for run_id, status in self.entries() if status == "RUNNING"]
            assert not running, f"MLflow says that these run, after {name.name}: {running}\n{self.said()}"
        return code

    def entries(self) -> list[tuple[str, str]]:
        """Return (run id, status) of every entry in MLflow."""
        return mlflow_runs(self.results, self.cluster.environment["MLFLOW_TRACKING_URI"])

    def heal(self, *, ended: bool) -> None:
        """Restart killed processes, if it is time."""
        for name in [name for name, stays in self.down.items() if ended or not stays]:
            self.cluster.launch(name)
            self.cluster.wait(name)
            del self.down[name]

    def stop(self) -> None:
        """Kill the driver, if it still runs."""
        if self.driver.poll() is None:
            os.killpg(self.driver.pid, signal.SIGKILL)
            self.driver.wait()

    def finish(self) -> None:
        """Check that, once all runs are done, the same command trains nothing."""
        self.heal(ended=True)
        trained = self.kept()
        self.start()
        self.expect(0, says=f"All {len(self.runs)} runs are done")
        assert "first updates" not in self.said(), self.said()
        assert self.kept() == trained == self.evaluations
        self.observe()

    def check(self, undisturbed: Path) -> None:
        """Check that everything is as if nothing had happened."""
        uri = self.cluster.environment["MLFLOW_TRACKING_URI"]
        assert_each_once_in_mlflow(self.results, uri, self.runs)
        assert_same_outcomes(undisturbed, self.results, self.runs)
        assert table(self.results, self.file) == table(undisturbed, self.file), "the table differs"
        left = [path.name for pattern in (".*.npz.*", ".probe.*") for path in self.results.rglob(pattern)]
        assert not left, f"temporary files are left: {left}"
        deadline = time.monotonic() + NOTHING_LEFT_SECONDS
        while alive := self._alive():
            assert time.monotonic() < deadline, f"processes are left: {alive}"
            time.sleep(POLL)

    def _alive(self) -> list[str]:
        """Return the drivers, and their actors, that still run."""
        drivers = [f"driver {pid}" for pid in self.cluster.processes() if self.cluster.node(pid) == "driver"]
        actors = [f"{name} {pid}" for name in ("ImplicitFunc", "Recorder") for pid in self.cluster.actors(name)]
        return drivers + actors

    def _behind(self, run: RunSpec) -> int:
        """Return a run's number of updates, without putting a broken file aside."""
        summary = run_files.peek_each(self.results, [run.run_id], on_broken=None).get(run.run_id)
        if summary is None:
            return 0
        return summary.update if summary.status == record.PARTIAL else run.budget.updates


def second_driver(sweep: DisturbedSweep, log: Path) -> tuple[int, str]:
    """Run a second driver on the same results. Returns its exit code and output."""
    process = sweep.give_command(log)
    try:
        return process.wait(PATIENCE), log.read_text()
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(f"a second driver was not refused:\n{log.read_text()}") from None
