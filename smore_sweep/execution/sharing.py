"""Train a sweep beside other processes that share its results folder: tasks of a job array, or any machines.

This process trains nothing. It makes missing episodes, keeps one worker per core or GPU running
(:mod:`smore_sweep.execution.worker`), and publishes ended runs to MLflow, of which one process of all those that share
the folder is in charge at a time.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path

from rich.console import Console

from smore_sweep.console import make_console
from smore_sweep.cores import usable_cores
from smore_sweep.data import generate
from smore_sweep.errors import ClusterError, StorageError
from smore_sweep.execution.datasets import missing_episodes
from smore_sweep.execution.own_methods import check_own_methods
from smore_sweep.execution.publisher import Publisher
from smore_sweep.execution.revision import git_revision
from smore_sweep.execution.session import check_folder, interruptible
from smore_sweep.execution.worker import KEPT, NOTHING, REVOKED, SUSPECTS, OutOfTime, Request, work
from smore_sweep.exit_codes import INCOMPLETE, INTERRUPTED, OUT_OF_TIME
from smore_sweep.monitoring.usage import usable_gpus
from smore_sweep.planning.choices import ALL_ELSEWHERE, Choices
from smore_sweep.planning.code_changes import refuse_changes
from smore_sweep.planning.history import remember
from smore_sweep.planning.plan import Plan
from smore_sweep.planning.stacks import LARGEST_STACK
from smore_sweep.results import record
from smore_sweep.results.claims import Claims
from smore_sweep.results.retries import LOSSES
from smore_sweep.stacked import fused
from smore_sweep.storage.lock import share
from smore_sweep.storage.paths import StoragePath
from smore_sweep.training import capture
from smore_sweep.training.device import ENVIRONMENT

POLL_SECONDS = 0.5
PUBLISH_SECONDS = 60.0
"""Seconds between two publications of the runs that have ended meanwhile."""


def share_sweep(
    name: str,
    *,
    scale: str | None,
    choices: Choices,
    results: StoragePath,
    gpus_per_stack: float | None,
    stack_size: int | None,
    processes: int,
    grace: float,
    show: Callable[[Console, Plan], None],
) -> int:
    """Train what a sweep lacks, together with the other processes that share its results folder.

    Args:
        name: A shipped sweep, or a ``.py`` file.
        scale: Its scale; None for the sweep's own.
        choices: What is asked of the sweep.
        results: Results folder, on a file system that all machines share.
        gpus_per_stack: Share of a GPU per stack; None for 1 where there are GPUs; 0 for CPUs.
        stack_size: Largest number of runs in a stack; None for the device's default.
        processes: Processes like this one, to size the stacks for.
        grace: Seconds from SIGUSR1 to the end.
        show: Prints the results of the plan's runs once all are done.

    Returns:
        The exit code: 0 if nothing is left to take, 1 if runs have failed or cannot be written, or if a device loses
        one worker after another, 75 if SIGUSR1 has ended the work early, 130 if it was interrupted.

    Raises:
        UserError: If anything about the request is wrong.
    """
    out = make_console()
    if not isinstance(results, Path):
        raise StorageError(f"results in {results} cannot be shared by claims; give a folder that all machines share")
    capture.chosen()
    workers = _devices(gpus_per_stack)
    slower = None if workers[0] else fused.why_not()
    request = Request(
        name, scale, choices, results.resolve(), _submission(), git_revision(),
        slots=processes * len(workers), largest=stack_size or LARGEST_STACK["cuda" if workers[0] else "cpu"],
        grace=grace,
    )  # fmt: skip
    plan = request.plan()
    check_code(plan)
    check_folder(results)
    if not plan.runs:
        out.print(ALL_ELSEWHERE)
        return 0
    say = partial(out.print, markup=False, soft_wrap=True)
    publisher = Publisher(plan.sweep, request.results, say)
    children = _Children(request, workers, say)
    with share(request.results, f"smore-sweep work {name}", say), interruptible(), children.signalled():
        remember(results, name, plan.scale, choices)
        counts = ", ".join(f"{plan.count(state)} {state}" for state in (record.DONE, record.PARTIAL, record.MISSING))
        out.print(f"{plan.sweep.name} · {plan.scale}: {counts}")
        if plan.pending and slower:
            out.print(slower, markup=False)
        try:
            if plan.pending:
                _make_episodes(out, plan)
                code = children.run(lambda: publisher.publish(request.plan(), {}, wait=False))
            else:
                code = 0
            if code in (0, INCOMPLETE):
                publisher.publish(request.plan(), _failures(request), wait=True)
        except KeyboardInterrupt:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # SLURM signals all processes, and the shell passes it on
            children.end()
            out.print("\nInterrupted. Finished runs are kept; the same command resumes from the last evaluation.")
            return INTERRUPTED
        except OutOfTime:
            code = OUT_OF_TIME
        finally:
            children.end()  # whatever has happened: none may write once the folder is let go
    return _report(out, request, code, show)


def check_code(plan: Plan) -> None:
    """Try the user's own methods, and check that stored runs were made with the code of today.

    Raises:
        DeclarationError: If a method fails, or if the code has changed.
    """
    refuse_changes(plan.changed)
    check_own_methods(run for run, _ in plan.pending)


def _report(out: Console, request: Request, code: int, show: Callable[[Console, Plan], None]) -> int:
    plan = request.plan()
    if not plan.pending:
        _claims(request).clear([run.run_id for run in plan.runs])
        show(out, plan)
        out.print(f"All {len(plan.runs)} runs are done.")
        return 0
    unfinished = f"{len(plan.pending)} of {len(plan.runs)} runs"
    if code == OUT_OF_TIME:
        out.print(f"Out of time: {unfinished} are unfinished; the same command goes on.")
    elif failures := _failures(request):
        titles = {run.run_id: run.title for run in plan.runs}
        for run_id, error in failures.items():
            out.print(f"failed: {titles[run_id]}: {error}", markup=False, soft_wrap=True)
        out.print("The MLflow page of a failed run has its log with the traceback, log.txt.")
        return INCOMPLETE
    elif code == 0:
        out.print(f"Nothing is left to take: others train {unfinished}.")
    return code


def _claims(request: Request) -> Claims:
    return Claims(request.results, "", request.submission)


def _failures(request: Request) -> dict[str, str]:
    """Return the errors of the unfinished runs that this submission has given up, by run id."""
    return _claims(request).given_up([run.run_id for run, _ in request.plan().pending])


def _submission() -> str:
    """Name the array that this process is a task of, which is one try of the runs; by itself it is a try of its own.

    The number of another job would not do: all commands of an interactive session have the same.
    """
    return os.environ.get("SLURM_ARRAY_JOB_ID") or secrets.token_hex(4)


def _devices(gpus_per_stack: float | None) -> list[str | None]:
    """Return a worker's GPU, or None for a core, for each worker that this process keeps running.

    Raises:
        ClusterError: The share of a GPU is not valid here.
    """
    gpus = usable_gpus()
    share_of_gpu = gpus_per_stack if gpus_per_stack is not None else min(len(gpus), 1)
    if not 0 <= share_of_gpu <= 1:
        raise ClusterError(f"gpus per stack = {share_of_gpu:g} is not valid here; it must be in [0, 1]")
    if not share_of_gpu:
        return [None] * usable_cores()
    if not gpus:
        raise ClusterError(f"gpus per stack = {share_of_gpu:g}, but no GPU is to be seen; give 0 to use CPUs")
    return [gpu for gpu in gpus for _ in range(int(1 / share_of_gpu + 1e-9))]


def _make_episodes(out: Console, plan: Plan) -> None:
    needed = plan.pools()
    for pool in missing_episodes(plan):
        generate.ensure(out, *pool, needed[pool])


class _Slot:
    """A device, and the worker that trains on it.

    Attributes:
        process: The worker.
        losses: Consecutive workers that were lost before they kept a record, without those that tried a run by itself
            because it had lost several workers before.
    """

    process: SpawnProcess

    def __init__(self, gpu: str | None) -> None:
        self._gpu = gpu
        self._told = get_context("spawn").RawValue("b", NOTHING)
        self.losses = 0

    def __str__(self) -> str:
        return "a core" if self._gpu is None else f"GPU {self._gpu}"

    def start(self, request: Request) -> None:
        """Start a worker."""
        self._told.value = NOTHING
        self.process = get_context("spawn").Process(target=work, args=(request, self._gpu, self.losses, self._told))
        self.process.start()

    def note_loss(self) -> None:
        """Note that the worker was killed."""
        if self._told.value == KEPT:
            self.losses = 0
        elif self._told.value != SUSPECTS:
            self.losses += 1


class _Children:
    """The worker processes: one for each device, replaced if it is lost."""

    def __init__(self, request: Request, devices: list[str | None], say: Callable[[str], None]) -> None:
        self._request = request
        self._slots = [_Slot(gpu) for gpu in devices]
        self._say = say
        self._running: list[_Slot] = []
        self._stopping = False

    @contextlib.contextmanager
    def signalled(self) -> Iterator[None]:
        """Pass SIGUSR1 on to the workers. While there are none, it raises :class:`OutOfTime`."""

        def approach(*_: object) -> None:
            self._stopping = True
            if not self._running:
                raise OutOfTime
            for slot in self._running:
                if slot.process.is_alive() and slot.process.pid:
                    os.kill(slot.process.pid, signal.SIGUSR1)

        previous = signal.signal(signal.SIGUSR1, approach)
        try:
            yield
        finally:
            signal.signal(signal.SIGUSR1, previous)

    def run(self, periodically: Callable[[], None]) -> int:
        """Run the workers until all have ended; return the exit code that tells most.

        A worker that is killed or has lost its lease is replaced. Its runs are tried again, unless they have lost too
        many workers. A device whose workers are lost one after another gets no more.
        """
        os.environ.update(ENVIRONMENT)  # the workers inherit it
        codes = set()
        for slot in self._slots:
            slot.start(self._request)
            self._running.append(slot)
        published = time.monotonic()
        while self._running:
            time.sleep(POLL_SECONDS)
            for slot in [each for each in self._running if not each.process.is_alive()]:
                slot.process.join()
                code = slot.process.exitcode
                assert code is not None
                lost = code < 0 or code == REVOKED
                if lost and not self._stopping and self._is_sound(slot, code):
                    slot.start(self._request)
                else:
                    self._running.remove(slot)
                    codes.add(code if not lost else OUT_OF_TIME if self._stopping else INCOMPLETE)
            if time.monotonic() - published >= PUBLISH_SECONDS:
                periodically()
                published = time.monotonic()
        return next((code for code in (INTERRUPTED, OUT_OF_TIME, INCOMPLETE) if code in codes), 0)

    def end(self) -> None:
        """End the workers as Ctrl-C does."""
        for slot in self._running:
            slot.process.terminate()
        for slot in self._running:
            slot.process.join()

    def _is_sound(self, slot: _Slot, code: int) -> bool:
        """Return whether a slot gets another worker after it has lost one, and say so."""
        if code == REVOKED:
            self._say(f"a worker on {slot} had lost its lease; another takes its place")
            return True
        slot.note_loss()
        end = f"ended by signal {-code} ({signal.strsignal(-code)})"
        if slot.losses <= LOSSES:
            self._say(f"a worker on {slot} was {end}; another takes its place")
            return True
        self._say(
            f"nothing more is trained on {slot}: the last of {slot.losses} workers in a row that kept no record was "
            f"{end}; is it out of memory, or broken?"
        )
        return False
