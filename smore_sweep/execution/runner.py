"""Running a sweep: plan, refuse what is wrong, make the data, train what is missing, show the table."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from smore_sweep import console
from smore_sweep.data import generate, pools
from smore_sweep.episodes import Episodes, concatenate
from smore_sweep.errors import DatasetError, StorageError
from smore_sweep.execution.notify import notifying
from smore_sweep.monitoring.progress_reporter import ProgressReporter
from smore_sweep.planning.plan import Plan, describe_stacks, estimate, load_sweep, make_plan
from smore_sweep.planning.stacks import stacks
from smore_sweep.results import record
from smore_sweep.results.recorder import RecordingError, recording
from smore_sweep.results.tracking import Experiment, check_uri, default_uri
from smore_sweep.spec import GENERATED, Sweep
from smore_sweep.storage.lock import hold
from smore_sweep.storage.paths import StoragePath, absolute
from smore_sweep.tasks import task

if TYPE_CHECKING:
    from smore_sweep.stacked.replay import EpisodeStore

MEGABYTES_FREE = 500
REVISION = "SMORE_SWEEP_REVISION"
"""Environment variable with the git revision, for code that was sent without its history."""
INCOMPLETE, INTERRUPTED = 1, 130


def missing_episodes(plan: Plan) -> dict[tuple[str, str], int]:
    """Episodes that have to be made before the pending runs can train: (task, policy) to count.

    Raises :class:`smore_sweep.data.pools.DatasetError` if imported ones are missing, for those cannot be made."""
    missing = {}
    for pool, count in plan.pools().items():
        have = pools.available(*pool, plan.source)
        if have < count and plan.source != GENERATED:
            raise pools.too_few(*pool, have, count, plan.source)
        if have < count:
            task(pool[0]).policy(pool[1])  # refuses a pool that cannot be made
            missing[pool] = count - have
    return missing


def run(
    name: str,
    *,
    scale: str | None = None,
    seeds: int | None = None,
    tasks: Sequence[str] | None = None,
    source: str = GENERATED,
    results: StoragePath,
    address: str | None = None,
    gpus_per_stack: float | None = None,
    stack_size: int | None = None,
    notification: str | None = None,
) -> int:
    """Run a sweep to its end; returns the exit code: 0 if every planned run is there. However it ends, the shell
    command ``notification`` is run then, if there is one. ``stack_size``: members of a stack at most, by default what
    suits the device."""
    out = console.console()
    with notifying(notification, name, out.print) as ending:
        sweep = load_sweep(name)

        def look() -> Plan:
            return make_plan(sweep, scale, results, seeds=seeds, tasks=tasks, source=source)

        plan = look()
        check_folder(results)
        job = sweep_experiment(sweep, results)
        with hold(results, f"make sweep SWEEP={name}", out.print), interruptible():
            plan = look()
            out.print(console.plan_table(plan))
            failures: list[str] = []
            try:
                if plan.pending:
                    failures = _train(out, plan, job, address, gpus_per_stack, stack_size)
                else:
                    with recording(job, partial(out.print, markup=False)) as recorder:
                        recorder.publish(_ended(plan))
            except KeyboardInterrupt:
                ending.status, ending.message = "interrupted", f"{name}: interrupted"
                out.print("\nInterrupted. Finished runs are kept; the same command goes on from the last evaluation.")
                return INTERRUPTED
            except RecordingError as error:
                ending.message = f"{name}: {error}"
                out.print(
                    f"\n{error}. Finished runs are kept; once that is mended, the same command goes on.", markup=False
                )
                return INCOMPLETE
            plan = _report(out, plan, look, results, failures)
        if plan.pending:
            ending.status, missing = "incomplete", f"{len(plan.pending)} of {len(plan.runs)} runs are missing"
            ending.message = "; failed: ".join([f"{name}: {missing}", *failures])
            return INCOMPLETE
        ending.status, ending.message = "done", f"{name}: all {len(plan.runs)} runs are done"
        return 0


def check_folder(results: StoragePath) -> None:
    """Raise :class:`StorageError` if the results folder cannot be written, or its disk is full. (An object store says
    so when the lock is taken.)"""
    if not isinstance(results, Path):
        return
    try:
        results.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(results).free // 2**20
        if free < MEGABYTES_FREE:
            raise StorageError(f"results folder {results} has {free} MB free, at least {MEGABYTES_FREE} MB are needed")
        probe = results / f".probe.{os.getpid()}"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        raise StorageError(f"results folder {results} cannot be written: {error.strerror}") from None


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM ends a sweep as cleanly as Ctrl-C does, and Ray's own handler for Ctrl-C (which hides it) stays away."""
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def sweep_experiment(sweep: Sweep, results: StoragePath) -> Experiment:
    """Where the runs of a sweep are tracked, and what is the same for all of them. Raises :class:`StorageError` if that
    place cannot be reached."""
    uri = default_uri(results)
    check_uri(uri)
    tags = {"git": git_revision(), "smore_sweep": version("smore_sweep"), "mujoco": version("mujoco")}
    return Experiment(absolute(results), uri, sweep.name, sweep.description, tags)


def _ended(plan: Plan) -> list[tuple[str, str]]:
    """Runs (id, title) that are done."""
    return [(run.run_id, run.title) for run in plan.runs if plan.states[run.run_id] == record.DONE]


def _train(
    out: Console, plan: Plan, job: Experiment, address: str | None, gpus_per_stack: float | None, stack_size: int | None
) -> list[str]:
    if address is None:
        require_private_token()
    from smore_sweep.execution import trainable

    needed, lacking = plan.pools(), missing_episodes(plan)
    # What is there is checked first: a damaged dataset is refused before a cluster is asked for.
    episodes = {pool: pools.load(*pool, count, plan.source) for pool, count in needed.items() if pool not in lacking}
    if address is None:
        out.print(console.estimate_line(estimate(plan, lacking, os.cpu_count() or 1)))
    with (
        trainable.connected(address, gpus_per_stack) as cluster,
        trainable.recording(job, _ended(plan), partial(out.print, markup=False)) as recorder,
    ):
        for pool in lacking:
            generate.ensure(out, *pool, needed[pool])
            episodes[pool] = pools.load(*pool, needed[pool])
        made = stacks(plan.pending, slots=cluster.slots, largest=stack_size or cluster.largest_stack)
        where = f"{cluster.gpus:g} GPUs" if cluster.gpus_per_stack else f"{cluster.cpus} CPU cores"
        out.print(f"training {len(plan.pending)} runs as {describe_stacks(made)} on {where}")
        stores = build_stores(plan, episodes)
        with ProgressReporter(out, plan, made, cluster.cpus, job.results) as reporter:
            return trainable.train_stacks(
                made, stores, recorder, git=job.tags["git"], cluster=cluster, callback=reporter
            )


def require_private_token() -> None:
    """Ray listens on all addresses of a machine, and whoever reaches it may run code. With a token that nobody else has
    the Ray of this sweep answers its own processes only. Ray reads this when it is imported."""
    if "ray" not in sys.modules:
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def build_stores(
    plan: Plan, episodes: dict[tuple[str, str], Episodes]
) -> dict[str, tuple[EpisodeStore, dict[float, str]]]:
    """Each pending task's episodes, and the fingerprint of the dataset at each expert share."""
    from smore_sweep.stacked.replay import EpisodeStore

    made = {}
    for name in dict.fromkeys(run.task for run, _ in plan.pending):
        expert, random = (episodes[name, pool] for pool in task(name).pools)
        lengths = {part.actions.shape[1] for part in (expert, random) if len(part)}
        if len(lengths) > 1:  # imported from different releases, say
            raise DatasetError(f"{name}: its pools have episodes of {sorted(lengths)} steps; import them again")
        shares = {run.expert_share: run for run, _ in plan.pending if run.task == name}
        prints = {
            share: concatenate(
                [expert.first(run.expert_episodes), random.first(run.budget.episodes - run.expert_episodes)]
            ).fingerprint()
            for share, run in shares.items()
        }
        made[name] = (EpisodeStore.build(expert, random, task(name).threshold), prints)
    return made


def _report(out: Console, plan: Plan, look: Callable[[], Plan], results: StoragePath, failures: Sequence[str]) -> Plan:
    """Print the table of a plan's runs and what is missing; returns the plan as it stands."""
    from analysis.frames.metrics import DEFAULT_METRIC
    from analysis.frames.runs import load
    from analysis.rendering import terminal
    from analysis.rendering.layout import layout

    frame = load(plan.runs, results)
    plan = look()  # after reading the outcomes, which may have found a broken one
    out.print(terminal.table(layout(frame, DEFAULT_METRIC, plan.sweep.description)))
    for failure in failures:
        out.print(f"failed: {failure}", markup=False, soft_wrap=True)
    if failures:
        out.print("The MLflow page of a failed run has its log with the traceback, log.txt.")
    if plan.pending:
        out.print(f"{len(plan.pending)} of {len(plan.runs)} planned runs are missing; give the same command again")
    else:
        elsewhere, where = ("", "") if str(results) == "output" else (f" RESULTS={results}", f" --results {results}")
        source = "" if plan.source == GENERATED else f" --source {plan.source}"
        next_steps = {
            f"make ui{elsewhere}": "every run in the MLflow page",
            f"python analysis/tables.py{where}{source}": "LaTeX tables (--format markdown|csv|terminal)",
            f"{results}/runs/": "raw outcomes, one folder a run",
        }
        width = max(map(len, next_steps))
        out.print(f"All {len(plan.runs)} runs are done. Where to look next:")
        for step, what in next_steps.items():
            out.print(f"  {step:<{width}}    {what}", markup=False, soft_wrap=True)
    return plan


def git_revision() -> str:
    """The commit of the working copy that this package runs from; that of a job's sender (:data:`REVISION`) where there
    is none; or "unknown"."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get(REVISION, "unknown")
    return found.stdout.strip()
