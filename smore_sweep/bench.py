"""``make bench``: how fast training is, and what the platform costs on top of it, as ratios measured in one run.

A shared machine is never equally fast for long. So every measurement of our step stands between two measurements of
the core's matrix-product rate and two of the plain loop (:mod:`smore_sweep.plain_loop`), and the tables give the median
over rounds of the ratios, with the smallest and the largest. On a CPU time is that of this process, which
does not run while others have the core; with a GPU it is the clock's.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from smore_sweep import machine, train, view
from smore_sweep.episodes import Episodes, concatenate
from smore_sweep.method import Method, SpecError
from smore_sweep.spec import Budget, RunSpec, Stack
from smore_sweep.tasks import task

if TYPE_CHECKING:
    import torch

    from smore_sweep.replay import Store
    from smore_sweep.trainable import Cluster, Progress

TASK = "FetchReach"
EPISODES = 1000
EXPERT_SHARE = 0.05
STACKS = {"cpu": (1, 4, 10, 50), "cuda": (1, 4, 10, 50, 100)}
ROUNDS = 5
TARGET_RATIO, TARGET_SHARE, TARGET_RATE = 3.0, 0.6, 10_000.0
"""To reach: times the plain loop and share of the product rate on a core; member-updates a second on a GPU."""

SWEEP_SECONDS = 40.0
"""Of training, in the sweep whose overhead is measured."""
SWEEP_SLOTS = 4
SWEEP_SEEDS = 5


def bench(batch_size: int) -> int:
    """Measure and print. In a process of its own, because some of the settings act only when a process starts."""
    if batch_size < 1:
        raise SpecError(f"batch size = {batch_size} is not valid; it must be a whole number of at least 1")
    command = [sys.executable, "-m", "smore_sweep.bench", str(batch_size)]
    return subprocess.run(command, env=os.environ | machine.ENVIRONMENT, check=False).returncode


def main(batch_size: int) -> int:
    """Measure and print, in this process."""
    out, device = view.console(), machine.choose_device(torch.cuda.is_available())
    machine.prepare(device)
    store = make_store(EPISODES, seed=0)
    out.print(_machine(device))
    out.print("To repeat: make bench  (or: smore-sweep bench --batch-size N). It takes some minutes.\n")
    measured = measure_speed(store, batch_size, device, ROUNDS)
    out.print(_speed_table(measured, batch_size, device))
    _print_targets(out, measured, device)
    rate = next(row for row in measured if row.stack == 4).rate.median
    out.print(_overhead_lines(measure_overhead(store, batch_size, rate, SWEEP_SECONDS)))
    return 0


# The data: what matters is its shape.


def make_episodes(count: int, seed: int) -> Episodes:
    """Episodes shaped like the task's; hands wander slowly, some of them by their goals."""
    row, random = task(TASK), np.random.default_rng(seed)
    steps = random.normal(0.0, 0.02, (count, row.horizon + 1, row.sizes.goal)).astype(np.float32)
    hands = np.cumsum(steps, 1, dtype=np.float32)
    rest = random.normal(0.0, 1.0, (count, row.horizon + 1, row.sizes.observation - row.sizes.goal))
    return Episodes(
        np.concatenate([hands, rest.astype(np.float32)], -1),
        random.uniform(-1.0, 1.0, (count, row.horizon, row.sizes.action)).astype(np.float32),
        hands,
        random.normal(0.0, 0.1, (count, row.sizes.goal)).astype(np.float32),
    )


def make_store(episodes: int, seed: int) -> Store:
    """The store of a dataset of that many episodes."""
    from smore_sweep.replay import Store

    expert = make_episodes(int(episodes * EXPERT_SHARE), seed)
    return Store.build(expert, make_episodes(episodes - len(expert), seed + 1), task(TASK).threshold)


def make_runs(method: Method, seeds: Sequence[int], budget: Budget) -> tuple[RunSpec, ...]:
    """One run a seed."""
    return tuple(
        RunSpec(method=method, task=TASK, expert_share=EXPERT_SHARE, seed=seed, scale="bench", budget=budget)
        for seed in seeds
    )


def _budget(batch_size: int, updates: int = 1_000_000) -> Budget:
    return Budget(
        episodes=EPISODES, updates=updates, batch_size=batch_size, evaluate_every=-(-updates // 2),
        evaluation_episodes=2, final_episodes=4,
    )  # fmt: skip


# Speed.


@dataclass(frozen=True)
class Spread:
    """Of a number over the rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    def show(self, form: str) -> str:
        """``median (smallest to largest)``."""
        return f"{self.median:{form}} ({min(self.values):{form}} to {max(self.values):{form}})"


@dataclass(frozen=True)
class Speed:
    """Of one method's step at one stack size. ``rate``: member-updates a second; ``ratio``: of that to the plain loop's
    updates a second; ``share``: floating-point operations of its matrix products a second, to those of bare products
    (GFLOP/s in ``products``)."""

    method: str
    stack: int
    rate: Spread
    ratio: Spread
    share: Spread
    products: Spread


def measure_speed(store: Store, batch_size: int, device: torch.device, rounds: int) -> list[Speed]:
    """Our steps against bare products and the plain loop. The first round only warms up."""
    plain = plain_update(batch_size, device)
    cases = [
        _Case(method, stack, train.build(make_runs(method, range(stack), _budget(batch_size)), store, device).update)
        for method in _methods()
        for stack in STACKS[device.type]
    ]
    products = {stack: product(stack, device) for stack in STACKS[device.type]}
    measured: dict[_Case, list[tuple[float, ...]]] = {case: [] for case in cases}
    for number in range(rounds + 1):
        for case in cases:
            figures = _round(case, products[case.stack], plain, batch_size, device)
            if number:
                measured[case].append(figures)
    return [
        Speed(case.method.name, case.stack, *(Spread(values) for values in zip(*figures, strict=True)))
        for case, figures in measured.items()
    ]


@dataclass(frozen=True)
class _Case:
    method: Method
    stack: int
    update: Callable[[], None]


def _methods() -> list[Method]:
    from baselines.gofar import GoFAR
    from smore_sweep.smore import SMORe

    return [SMORe(), GoFAR()]


def _round(
    case: _Case,
    product: tuple[Callable[[], object], int],
    plain: Callable[[], object],
    batch_size: int,
    device: torch.device,
) -> tuple[float, float, float, float]:
    """Rate, ratio, share and the product rate in GFLOP/s."""
    multiply, operations = product
    gpu = device.type == "cuda"

    def neighbours() -> tuple[float, float]:
        return rate(multiply, 50 if gpu else 20, device) * operations, rate(plain, 10 if gpu else 2, device)

    before = neighbours()
    own = rate(case.update, 50 if gpu else max(1, 8 // case.stack), device) * case.stack
    after = neighbours()
    products, plain_rate = ((a + b) / 2 for a, b in zip(before, after, strict=True))
    flops = case.method.flops(task(TASK).sizes, batch_size)
    return own, own / plain_rate, own * flops / products, products / 1e9


def rate(call: Callable[[], object], count: int, device: torch.device) -> float:
    """Calls a second, over ``count`` calls."""
    started = _clock(device)
    for _ in range(count):
        call()
    return count / (_clock(device) - started)


def _clock(device: torch.device) -> float:
    """Seconds. A GPU works while Python goes on, so the clock waits for it."""
    import torch

    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def product(stack: int, device: torch.device) -> tuple[Callable[[], object], int]:
    """A product of a hidden layer's shape in single precision, and its floating-point operations. On a CPU members are
    computed one by one, on a GPU together."""
    import torch

    members = stack if device.type == "cuda" else 1
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(members, 512, 256, generator=generator).to(device)
    right = torch.randn(members, 256, 256, generator=generator).to(device)
    result = torch.empty(members, 512, 256, device=device)
    return lambda: torch.bmm(left, right, out=result), 2 * members * 512 * 256 * 256


def plain_update(batch_size: int, device: torch.device) -> Callable[[], object]:
    """One update of the plain loop, on the same data. Products have torch's default precision, as in the baselines:
    :func:`machine.prepare` may have found a faster one for ours."""
    import torch

    from smore_sweep.plain_loop import Buffer, PlainLoop
    from smore_sweep.smore import SMORe

    row = task(TASK)
    expert = int(EPISODES * EXPERT_SHARE)
    episodes = concatenate([make_episodes(expert, 0), make_episodes(EPISODES - expert, 1)])
    buffer = Buffer(episodes, row.threshold, seed=0)
    loop = PlainLoop(SMORe(), row.sizes, buffer, batch_size=batch_size, updates=1_000_000, device=device)

    def update() -> None:
        ours = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        loop.update()
        torch.set_float32_matmul_precision(ours)

    return update


# The platform's overhead.


@dataclass(frozen=True)
class Overhead:
    """Of a sweep on the local Ray: seconds from the start until Ray has ended, until the first update, and, added up
    over the slots, in training and in evaluation. Making data is left out: it is needed without a platform too."""

    slots: int
    stacks: int
    wall: float
    start_up: float
    training: float
    evaluation: float

    @property
    def total_share(self) -> float:
        """Of the slots' time that is neither training nor evaluation."""
        return 1.0 - (self.training + self.evaluation) / (self.slots * self.wall)

    @property
    def start_up_share(self) -> float:
        """The part of it before the first update."""
        return self.start_up / self.wall


def measure_overhead(store: Store, batch_size: int, rate: float, seconds: float) -> Overhead:
    """Train two stacks a slot, half of them GoFAR, through Ray Tune, the recorder and MLflow, into a temporary folder.
    ``rate`` (member-updates a second of one core) scales it to ``seconds`` of training a slot."""
    from smore_sweep import trainable
    from smore_sweep.tracking import Job

    updates = max(2, round(seconds / 2 * rate / SWEEP_SEEDS))
    busy: dict[int, Progress] = {}
    first: list[float] = []

    def listen(progress: Progress) -> None:
        if not first:
            first.append(time.perf_counter() - progress.training_seconds - started)
        busy[progress.stack] = progress

    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        job = Job(results, f"sqlite:///{results / 'mlflow.db'}", "bench", "overhead of the platform", {})
        started = time.perf_counter()
        with trainable.connected(None, None) as whole, trainable.recording(job, [], print) as recorder:
            cluster = _part(whole)
            stacks = _stacks(2 * cluster.slots, _budget(batch_size, updates))
            failures = trainable.train_stacks(
                stacks, {TASK: (store, {EXPERT_SHARE: "bench"})}, recorder, git="", cluster=cluster, listen=listen
            )
        wall = time.perf_counter() - started
    if failures:
        raise RuntimeError(failures[0])
    training = sum(progress.training_seconds for progress in busy.values())
    evaluation = sum(progress.evaluation_seconds for progress in busy.values())
    return Overhead(cluster.slots, len(stacks), wall, first[0], training, evaluation)


def _part(cluster: Cluster) -> Cluster:
    """Enough of the cluster: a large machine would need many stacks to be busy."""
    if cluster.gpus_per_stack:
        return replace(cluster, gpus=min(cluster.gpus, SWEEP_SLOTS * cluster.gpus_per_stack))
    return replace(cluster, cpus=min(cluster.cpus, SWEEP_SLOTS))


def _stacks(count: int, budget: Budget) -> list[Stack]:
    methods = _methods()
    return [
        Stack(
            make_runs(methods[number % len(methods)], range(number * SWEEP_SEEDS, (number + 1) * SWEEP_SEEDS), budget)
        )
        for number in range(count)
    ]


# What is printed.


def _machine(device: torch.device) -> str:
    import torch

    where = "1 core of " + _processor()
    if device.type == "cuda":
        where = f"{torch.cuda.get_device_name(device)}; {_processor()}"
    return f"{where}; {os.cpu_count()} cores; torch {torch.__version__}; Python {platform.python_version()}"


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _speed_table(measured: Sequence[Speed], batch_size: int, device: torch.device) -> Table:
    products = Spread(tuple(value for row in measured for value in row.products.values))
    seconds = "second" if device.type == "cuda" else "CPU-second of one core"
    title = (
        f"Training step, batch {batch_size} (SMORe: {batch_size} + {batch_size}), shapes of {TASK}. "
        f"Rates a {seconds}; median (min to max) of {ROUNDS} rounds"
    )
    caption = f"matrix products of a hidden layer's shape: {products.show('.0f')} GFLOP/s"
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left")
    table.add_column("method")
    for name in ("stack", "member-updates/s", "x plain loop", "share of product rate"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in measured:
        table.add_row(
            row.method, str(row.stack), row.rate.show(",.1f"), row.ratio.show(".2f"), row.share.show(".0%"),
            end_section=row.stack == STACKS[device.type][-1],
        )  # fmt: skip
    return table


def _print_targets(out: Console, measured: Sequence[Speed], device: torch.device) -> None:
    best = next(row for row in measured if row.method == "SMORe" and row.stack == 10)
    if device.type == "cuda":
        checks = [("member-updates/s", best.rate.median, TARGET_RATE, ",.0f")]
    else:
        checks = [
            ("x plain loop", best.ratio.median, TARGET_RATIO, ".2f"),
            ("of the product rate", best.share.median, TARGET_SHARE, ".0%"),
        ]
    for what, value, target, form in checks:
        verdict = "reached" if value >= target else "missed"
        out.print(f"SMORe, stack of 10: {value:{form}} {what} (target {target:{form}}: {verdict})")


def _overhead_lines(found: Overhead) -> str:
    rest = found.total_share - found.start_up_share
    return (
        f"\nOverhead of a sweep: {found.stacks} stacks of {SWEEP_SEEDS} on {found.slots} slots, "
        f"{view.duration(found.wall)} from start to end\n"
        f"  {found.total_share:.1%} of the slots' time is neither training nor evaluation:\n"
        f"  {found.start_up_share:.1%} start-up, {found.start_up:.1f} s, no more for a longer sweep;\n"
        f"  {rest:.1%} the rest: changing stacks, saving, waiting for the last stack, ending Ray.\n"
        f"  Training took {found.training:.0f} s (with a report to Tune each second), "
        f"evaluation {found.evaluation:.0f} s, over all slots."
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
