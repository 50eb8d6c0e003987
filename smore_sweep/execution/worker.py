"""A worker without a driver: claims stacks of a sweep, trains them and writes their records, until nothing is left.

Workers on any machines share a results folder through :mod:`smore_sweep.results.claims`. They publish nothing to
MLflow; :mod:`smore_sweep.execution.sharing` does.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import socket
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing import parent_process
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from rich.console import Console

from smore_sweep.data import pools
from smore_sweep.discovery import load_sweep
from smore_sweep.errors import LockedError, UserError, printable
from smore_sweep.execution.datasets import build_stores
from smore_sweep.execution.processor import machine_facts
from smore_sweep.exit_codes import INCOMPLETE, INTERRUPTED, OUT_OF_TIME
from smore_sweep.monitoring.callback import Progress
from smore_sweep.monitoring.progress_reporter import ProgressReporter
from smore_sweep.monitoring.usage import UsageMeter
from smore_sweep.planning.choices import Choices
from smore_sweep.planning.code_changes import code_facts, refuse_changes
from smore_sweep.planning.plan import Plan, make_plan
from smore_sweep.planning.stacks import Stack, group_into_stacks, padded_size
from smore_sweep.results.claims import TOGETHER, Claims, worker_heartbeat, worker_lease
from smore_sweep.results.record import DIVERGED, PARTIAL, Record
from smore_sweep.results.record_writer import Assignment, Candidate, RecordingError, RecordWriter
from smore_sweep.results.retries import LOSSES
from smore_sweep.spec import Sweep
from smore_sweep.storage import paths
from smore_sweep.storage.fence import Fence
from smore_sweep.storage.lease import BEAT, lease
from smore_sweep.training import capture
from smore_sweep.training.device import choose_device, prepare
from smore_sweep.training.failures import describe, free_memory, is_crowded, still_works

if TYPE_CHECKING:
    import torch

    from smore_sweep.stacked.episode_store import EpisodeStore

REVOKED = 76
"""Exit code of a worker that others took for dead; its task starts another."""
NOTHING, TRAINS, SUSPECTS, KEPT = range(4)
"""What a worker tells its parent in a byte of shared memory, which outlives it: it has no runs yet; it trains some;
those have lost several workers before; it has kept a record."""


@dataclass(frozen=True)
class Request:
    """What the workers of a submission train, and how.

    Attributes:
        slots: Workers of the whole submission, on all machines.
        largest: Most runs of a stack.
        grace: Seconds from the signal that time is short to the end, at the next evaluation if that is earlier.
    """

    sweep: str
    scale: str | None
    choices: Choices
    results: Path
    submission: str
    git: str
    slots: int
    largest: int
    grace: float

    def plan(self) -> Plan:
        """Read what is done."""
        return make_plan(_load_once(self.sweep), self.scale, self.results, self.choices)


@cache
def _load_once(sweep: str) -> Sweep:
    """Load a sweep; this process keeps to what it has read, whatever becomes of the file."""
    return load_sweep(sweep)


class OutOfTime(BaseException):
    """The job's time is nearly up. As with KeyboardInterrupt, no handler of errors may take it for one."""


class Deadline:
    """Ends this process's work on SIGUSR1: when new records are written, or after the grace period."""

    def __init__(self, grace: float) -> None:
        self.near = False
        self._grace = grace
        signal.signal(signal.SIGUSR1, self._approach)
        signal.signal(signal.SIGALRM, self._end)

    def check(self) -> None:
        """Raise :class:`OutOfTime` if the signal has come."""
        if self.near:
            raise OutOfTime

    def _approach(self, *_: object) -> None:
        self.near = True
        signal.setitimer(signal.ITIMER_REAL, max(self._grace, 0.01))

    def _end(self, *_: object) -> None:
        raise OutOfTime


def work(request: Request, gpu: str | None, losses: int, told: Any) -> None:
    """Run a worker as a process of its own; ends the process with the worker's exit code.

    Args:
        request: What to train.
        gpu: The worker's GPU, or None for the CPU.
        losses: Consecutive workers of this device, up to this one, that were lost before they kept a record.
        told: Shared byte for what the parent is told.
    """
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    out = Console(width=100, soft_wrap=True, highlight=False, markup=False, force_terminal=False)
    code = INCOMPLETE
    try:
        deadline = Deadline(request.grace)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        Thread(target=_end_with_parent, daemon=True).start()
        if gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = gpu
        with lease(worker_lease(request.results, name), name, out.print) as fence:
            code = _Worker(request, name, fence, gpu is not None, losses, told, deadline, out).run()
    except OutOfTime:
        code = OUT_OF_TIME
    except KeyboardInterrupt:
        code = INTERRUPTED
    except LockedError as error:  # other workers took this one for dead, and have its runs
        out.print(f"stopped: its runs have passed to {error}")
        code = REVOKED
    except (RecordingError, UserError) as error:
        out.print(f"{printable(str(error))}. Finished runs are kept; fix this and give the same command again.")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        paths.remove(worker_heartbeat(request.results, name))
    raise SystemExit(code)


class _Worker:
    def __init__(
        self,
        request: Request,
        name: str,
        fence: Fence,
        gpu: bool,
        losses: int,
        told: Any,
        deadline: Deadline,
        out: Console,
    ) -> None:
        self._request = request
        self._fence = fence
        self._gpu = gpu
        self._losses = losses
        self._told = told
        self._deadline = deadline
        self._out = out
        self._heartbeat = worker_heartbeat(request.results, name)
        self._claims = Claims(request.results, name, request.submission)
        self._writer = RecordWriter(request.results, fence)

    def run(self) -> int:
        """Train stacks until every unfinished run is in the hands of a living worker or given up."""
        while True:
            self._deadline.check()
            plan = self._request.plan()
            refuse_changes(plan.changed)  # a worker reads the sweep's file by itself, maybe after an edit
            if stack := self._claim(plan):
                self._train(plan, stack)
            elif not self._claims.unproven():
                return 0
            else:
                time.sleep(BEAT / 4)

    def _claim(self, plan: Plan) -> Stack | None:
        """Claim the stack with the most work, as if every worker that has none took one now."""
        while free := self._claims.free({run.run_id: behind for run, behind in plan.pending}):
            pending = [(run, behind) for run, behind in plan.pending if run.run_id in free]
            together = [(run, behind) for run, behind in pending if free[run.run_id] < TOGETHER]
            if not together and self._losses >= LOSSES and self._claims.busy():
                return None  # this device is suspected as much as they are: those that train elsewhere try them
            slots = max(1, self._request.slots - len(self._claims.busy()))
            largest = self._request.largest if together else 1
            stack = group_into_stacks(together or pending, slots=slots, largest=largest, filled=self._gpu)[0]
            taken = self._claims.take(free, [run.run_id for run in stack.runs], stack.start)
            if taken:
                self._tell(TRAINS if together else SUSPECTS)
                return Stack(tuple(run for run in stack.runs if run.run_id in taken), stack.start)
            time.sleep(random.uniform(0.05, 0.5))  # another worker was faster
        return None

    def _tell(self, news: int) -> None:
        """Tell the parent; a kept record is not taken back."""
        if self._told.value != KEPT:
            self._told.value = news

    def _train(self, plan: Plan, stack: Stack) -> None:
        """Train a claimed stack from the records of its runs.

        Raises:
            ClusterError: PyTorch cannot use this worker's GPU.
            RecordingError: The results cannot be written.
        """
        device = choose_device(self._gpu)
        self._out.print(f"takes {stack.runs[0].title}" + (f" and {len(stack.runs) - 1} more" * (len(stack.runs) > 1)))
        mine = Plan(plan.sweep, plan.scale, plan.source, list(stack.runs), plan.states, plan.behind)
        episodes = {pool: pools.load(*pool, count, plan.source) for pool, count in mine.pools().items()}
        store, fingerprints = build_stores(mine, episodes)[stack.runs[0].task]
        facts = {"stack": stack.name, "git": self._request.git, **machine_facts(self._gpu)}
        padded = padded_size(plan.runs, self._request.largest) if self._gpu else None
        candidates = [
            Candidate(
                run.run_id,
                run.title,
                Record(run.content(), facts={"dataset": fingerprints[run.expert_share], **facts, **code_facts(run)}),
            )
            for run in stack.runs
        ]
        where = f"stack {stack.name}, process {os.getpid()} on {socket.gethostname()}"
        with ProgressReporter(self._out, plan, [stack], 1, self._heartbeat, self._fence) as reporter:
            while True:
                self._deadline.check()
                assignment = self._writer.begin(candidates, where)
                for sentence in assignment.news:
                    reporter.on_failure(sentence)
                if not assignment.members:
                    break
                try:
                    self._train_assignment(stack, assignment, store, reporter, device, padded)
                except RecordingError:
                    raise
                except Exception as error:
                    if self._gpu and not still_works():
                        self._out.print(f"its GPU cannot be used any more: {describe(error)}")
                        os.kill(os.getpid(), signal.SIGKILL)  # another worker is started, from the last records
                    run_ids = [run_id for run_id, _ in assignment.members]
                    members = assignment.filled_up_to(padded)
                    if is_crowded(error, members):
                        self._writer.crowded(run_ids, members)
                    else:
                        self._writer.fail(run_ids, describe(error), traceback.format_exc())
            reporter.on_stack_end(0)
        failures = self._writer.failures
        self._claims.give_up({run.run_id: failures[run.run_id] for run in stack.runs if run.run_id in failures})

    def _train_assignment(
        self,
        stack: Stack,
        assignment: Assignment,
        store: EpisodeStore,
        reporter: ProgressReporter,
        device: torch.device,
        padded: int | None,
    ) -> None:
        """Train the runs of a stack that the record writer assigned."""
        from smore_sweep.training.loop import TrainingProgress, build_learner, load_records, train

        prepare(device)
        free_memory(device)
        meter = UsageMeter(device)
        by_id = {run.run_id: run for run in stack.runs}
        runs = [by_id[run_id] for run_id, _ in assignment.members]
        records = [record for _, record in assignment.members]
        evaluated, latest, ended = 0, None, assignment.ended

        def keep(batch: Sequence[tuple[str, Record]]) -> None:
            nonlocal evaluated, latest, ended
            self._writer.keep(batch)
            self._tell(KEPT)
            self._losses = 0
            returns = [record.summary()["return99"] for _, record in batch if record.status != DIVERGED]
            evaluated, latest = batch[0][1].update, sum(returns) / len(returns) if returns else None
            ended += sum(record.status != PARTIAL for _, record in batch)
            self._deadline.check()

        def tick(times: TrainingProgress) -> None:
            reporter.on_progress(
                Progress(
                    0, len(runs), times.update, assignment.behind + len(runs) * times.update, ended, evaluated, latest,
                    times.training_seconds, times.evaluation_seconds, meter.look(),
                )
            )  # fmt: skip
            reporter.beat()

        learner = build_learner(runs, store, device, padded and assignment.filled_up_to(padded))
        load_records(learner, runs, records)
        train(runs, learner, records, keep=keep, tick=tick, updates=capture.chosen(), until=assignment.until)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
