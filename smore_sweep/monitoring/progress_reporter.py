"""Report a sweep's progress: bars in a terminal, plain lines in a log, and the heartbeat file."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import time
from collections.abc import Iterator, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from smore_sweep.console import PLAIN_SECONDS, format_duration
from smore_sweep.errors import StorageError
from smore_sweep.monitoring import heartbeat
from smore_sweep.monitoring.callback import Progress, ProgressCallback
from smore_sweep.monitoring.heartbeat import Snapshot, Training
from smore_sweep.monitoring.usage import Gpu
from smore_sweep.planning.plan import Plan
from smore_sweep.planning.stacks import Stack
from smore_sweep.storage.fence import OPEN, Fence
from smore_sweep.storage.paths import StoragePath

STACKS_SECONDS = 60.0
"""Seconds between two lists of the training stacks in a log."""
ROWS = 12
"""Most stacks in a list."""
NEWS = 20
"""Most failures in the heartbeat file: the latest ones."""
SILENT_SECONDS = 60.0
"""Age of the heartbeat, in seconds, from which no news is worth a mention."""
JOB = ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID")
"""Environment variables that name a task of a SLURM array."""
SETTLED_SECONDS = 2.0
"""Seconds of training before a rate is meaningful."""


class ProgressReporter(ProgressCallback):
    """Shows a sweep's progress on ``cpus`` cores, and keeps its heartbeat ``file``.

    This covers runs done, member-updates per second, use of CPUs and GPUs, time left, and the training stacks with
    their latest returns.
    """

    def __init__(
        self,
        out: Console,
        plan: Plan,
        stacks: Sequence[Stack],
        cpus: int,
        file: StoragePath,
        fence: Fence = OPEN,
    ) -> None:
        self._out = out
        self._fence = fence
        self._stacks = stacks
        self._file = file
        self._cpus = cpus
        self._sweep, self._scale = plan.sweep.name, plan.scale
        self._began = time.time()
        self._started = self._printed = self._listed = self._saved = time.monotonic()
        self._first_update: float | None = None
        self._training: dict[int, Progress] = {}
        self._done = [0] * len(stacks)  # member-updates since this reporter began
        self._left = [stack.member_updates for stack in stacks]
        self._weights = [stack.work / max(stack.member_updates, 1) for stack in stacks]  # operations per update
        self._ended = [0] * len(stacks)
        self._news: list[str] = []
        self._live = Live(get_renderable=self._render, console=out, transient=True, refresh_per_second=2)

    def __enter__(self) -> ProgressReporter:
        if self._out.is_terminal:
            self._live.start()
        self._save("")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._live.stop()
        self._training.clear()
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        self._save("was interrupted" if interrupted else "failed" if kind else "ended")

    def on_progress(self, progress: Progress) -> None:
        number, stack = progress.stack, self._stacks[progress.stack]
        if self._first_update is None:
            self._first_update = time.monotonic()
            self._print(f"first updates after {format_duration(self._first_update - self._started)}")
        before = self._training.get(number)
        self._training[number] = progress
        done = (progress.done - stack.start * len(stack.runs)) * len(stack.members) // len(stack.runs)
        self._done[number] = max(self._done[number], done)
        self._left[number] = max(0, stack.member_updates - self._done[number])
        self._ended[number] = max(self._ended[number], progress.ended)
        evaluated = progress.latest is not None and progress.evaluated != (before.evaluated if before else 0)
        if evaluated and (not self._out.is_terminal or progress.evaluated == stack.runs[0].budget.updates):
            self._print(
                f"  {_name(stack, progress)} · update {progress.evaluated:,}: mean return {progress.latest:.2f}"
            )

    def on_failure(self, sentence: str) -> None:
        self._news.append(sentence)
        self._print(f"  {sentence}")

    def on_worker_lost(self, stack: int) -> None:
        self._training.pop(stack, None)
        self.on_failure(
            f"the worker of {_name(self._stacks[stack])} was lost; another resumes from the last evaluation"
        )

    def on_stack_end(self, stack: int) -> None:
        self._training.pop(stack, None)
        self._left[stack] = 0

    def beat(self) -> None:
        """Renew the heartbeat file, if it is time."""
        now = time.monotonic()
        if now - self._saved >= heartbeat.SECONDS:
            self._saved = now
            self._save("")

    def on_step(self) -> None:
        self.beat()
        now = time.monotonic()
        if not self._out.is_terminal and self._first_update and now - self._printed >= PLAIN_SECONDS:
            self._printed = now
            snapshot = self._snapshot("")
            self._print(f"training: {_total(snapshot)}")
            if now - self._listed >= STACKS_SECONDS:
                self._listed = now
                for line in _listing(snapshot):
                    self._print(f"  {line}")

    def _print(self, line: str) -> None:
        self._out.print(line, markup=False, soft_wrap=not self._out.is_terminal)

    def _save(self, ended: str) -> None:
        if not self._fence.is_open():  # the file may be another driver's
            return
        with contextlib.suppress(OSError, StorageError):  # the recorder reports a full disk
            heartbeat.save(self._file, self._snapshot(ended))

    def _snapshot(self, ended: str) -> Snapshot:
        done = sum(self._done)
        done_work, left_work = (
            sum(weight * count for weight, count in zip(self._weights, counts, strict=True))
            for counts in (self._done, self._left)
        )
        elapsed = time.monotonic() - self._first_update if self._first_update else 0.0
        rate = done / elapsed if elapsed > SETTLED_SECONDS else 0.0
        gpus = {use.gpu.name: use.gpu for now in self._training.values() if (use := now.usage).gpu}
        return Snapshot(
            sweep=self._sweep,
            scale=self._scale,
            by=_by(),
            started=self._began,
            written=time.time(),
            ended=ended,
            runs_ended=sum(self._ended),
            runs=sum(len(stack.runs) for stack in self._stacks),
            share=done_work / max(done_work + left_work, 1.0),
            rate=rate,
            left=elapsed * left_work / done_work if rate and done_work else None,
            cores=sum(now.usage.cores for now in self._training.values()),
            cpus=self._cpus,
            gpus=list(gpus.values()),
            stacks=[
                Training(
                    _name(self._stacks[number], now),
                    now.usage.host,
                    now.update,
                    self._stacks[number].runs[0].budget.updates,
                    now.latest,
                )
                for number, now in sorted(self._training.items())
            ],
            news=self._news[-NEWS:],
        )

    def _render(self) -> Group:
        now = self._snapshot("")
        bars = Table.grid(padding=(0, 1))
        bars.add_column(no_wrap=True, overflow="ellipsis", max_width=40)
        bars.add_column(width=16)
        bars.add_column(no_wrap=True)
        left = "?" if now.left is None else format_duration(now.left)
        bars.add_row("training", ProgressBar(1.0, now.share), f"{now.runs_ended}/{now.runs} runs · {left} left")
        for stack in now.stacks[:ROWS]:
            bars.add_row(f"  {stack.name}", ProgressBar(stack.updates, stack.update), _note(stack))
        others = [f"  and {len(now.stacks) - ROWS} more stacks"] if len(now.stacks) > ROWS else []
        if self._first_update is None:
            return Group("training: starting the workers")
        return Group(bars, *others, f"  {now.rate:,.0f} member-updates/s · {_use(now)}")


def describe(snapshot: Snapshot, now: float) -> Iterator[str]:
    """Describe a snapshot and its age, in lines."""
    age, who = format_duration(now - snapshot.written), f"{snapshot.sweep} · {snapshot.scale}"
    if snapshot.ended:
        took = format_duration(snapshot.written - snapshot.started)
        yield f"{who}: training {snapshot.ended} {age} ago, after {took} ({snapshot.by})"
    elif now - snapshot.written > SILENT_SECONDS:
        yield f"{who}: no sign of life for {age} ({snapshot.by}); it was at"
    else:
        since = format_duration(now - snapshot.started)
        yield f"{who}: training for {since}, last sign of life {age} ago ({snapshot.by})"
    yield f"  {_total(snapshot)}"
    yield from (f"  {line}" for line in (*_listing(snapshot), *snapshot.news))


def describe_workers(snapshots: Sequence[Snapshot], now: float) -> Iterator[str]:
    """Describe the workers that share a results folder, in lines: the totals, each stack, and those without a
    sign of life."""
    silent = [snapshot for snapshot in snapshots if now - snapshot.written > SILENT_SECONDS]
    alive = [snapshot for snapshot in snapshots if snapshot not in silent]
    for sweep in dict.fromkeys((snapshot.sweep, snapshot.scale) for snapshot in alive):
        mine = [snapshot for snapshot in alive if (snapshot.sweep, snapshot.scale) == sweep]
        since = format_duration(now - max(snapshot.written for snapshot in mine))
        gpus = {gpu.name: gpu for snapshot in mine for gpu in snapshot.gpus}
        rate = sum(snapshot.rate for snapshot in mine)
        cores = _cores(sum(snapshot.cores for snapshot in mine), sum(snapshot.cpus for snapshot in mine))
        yield f"{' · '.join(sweep)}: {len(mine)} worker{'s' * (len(mine) > 1)}, last sign of life {since} ago"
        yield f"  {rate:,.0f} member-updates/s · {' · '.join([cores, *_gpu_use(list(gpus.values()))])}"
        for snapshot in mine:
            stacks = ", ".join(f"{stack.name}: {_note(stack)}" for stack in snapshot.stacks) or "starts"
            yield f"  {stacks} ({snapshot.by})"
            yield from (f"    {news}" for news in snapshot.news)
    for snapshot in silent:
        yield (
            f"{snapshot.sweep} · {snapshot.scale}: no sign of life of a worker for "
            f"{format_duration(now - snapshot.written)} ({snapshot.by}); the next one takes its runs over"
        )


def _total(snapshot: Snapshot) -> str:
    left = (
        "" if snapshot.ended else " · ? left" if snapshot.left is None else f" · {format_duration(snapshot.left)} left"
    )
    return (
        f"{snapshot.share:.0%} · {snapshot.runs_ended}/{snapshot.runs} runs · {snapshot.rate:,.0f} member-updates/s"
        f" · {_use(snapshot)}{left}"
    )


def _use(snapshot: Snapshot) -> str:
    return " · ".join([_cores(snapshot.cores, snapshot.cpus), *_gpu_use(snapshot.gpus)])


def _cores(busy: float, total: int) -> str:
    return f"CPU {busy:.1f} of {total} cores"


def _gpu_use(gpus: Sequence[Gpu]) -> list[str]:
    if not gpus:
        return []
    busy, used, total = sum(gpu.busy for gpu in gpus), sum(gpu.used for gpu in gpus), sum(gpu.total for gpu in gpus)
    name = f"{len(gpus)} GPUs" if len(gpus) > 1 else "GPU"
    return [f"{name} {busy / len(gpus):.0%}, {used:.1f} of {total:.0f} GB"]


def _listing(snapshot: Snapshot) -> list[str]:
    stacks = [f"{stack.name} on {stack.host}: {_note(stack)}" for stack in snapshot.stacks[:ROWS]]
    more = len(snapshot.stacks) - ROWS
    return [*stacks, *([f"and {more} more stacks"] if more > 0 else [])]


def _note(stack: Training) -> str:
    seen = "" if stack.latest is None else f" · return {stack.latest:.2f}"
    return f"{stack.update:,} of {stack.updates:,}{seen}"


def _name(stack: Stack, now: Progress | None = None) -> str:
    """Name a stack, or those of its runs that train now."""
    first, count = stack.runs[0], len(stack.runs)
    part = f"{now.members} of " if now and now.members != count else ""
    return f"{first.method.name} · {first.task} · {part}{count} run{'s' * (count > 1)}"


def _by() -> str:
    try:
        user = f"{getpass.getuser()}@"
    except (KeyError, OSError):  # a container's user may have no name
        user = ""
    job = "_".join(os.environ[name] for name in JOB if name in os.environ) or os.environ.get("SLURM_JOB_ID", "")
    return f"{user}{socket.gethostname()}, process {os.getpid()}{f', job {job}' if job else ''}"
