"""Measure the speed of a training step, as ratios.

The speed of a shared machine varies. Each measurement of a step is therefore between two measurements of the core's
matrix-product rate and two of the plain loop (:mod:`smore_sweep.bench.plain_loop`), and the result is the median of the
ratios over rounds. Time is this process's CPU time or, with a GPU, wall-clock time.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smore_sweep.bench.synthetic import (
    EPISODES,
    EXPERT_SHARE,
    TASK,
    fitting_task,
    make_budget,
    make_episodes,
    make_runs,
    make_store,
)
from smore_sweep.episodes import concatenate
from smore_sweep.method import Method
from smore_sweep.tasks import task
from smore_sweep.training import loop

if TYPE_CHECKING:
    import torch

    from smore_sweep.stacked.episode_store import EpisodeStore
    from smore_sweep.training.learner import Learner


@dataclass(frozen=True)
class Spread:
    """The values of a number over the rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.values)

    def show(self, form: str) -> str:
        """Format as ``median (smallest to largest)``."""
        return f"{self.median:{form}} ({min(self.values):{form}} to {max(self.values):{form}})"


@dataclass(frozen=True)
class Speed:
    """Speed of one method's step at one stack size.

    Attributes:
        rate: Member-updates per second.
        ratio: Ratio of ``rate`` to the plain loop's updates per second.
        share: Ratio of the step's floating-point operations in matrix products per second to those of bare products.
        products: GFLOP/s of bare products.
    """

    method: str
    stack: int
    rate: Spread
    ratio: Spread
    share: Spread
    products: Spread


def measure_speed(
    methods: Sequence[Method],
    stacks: Sequence[int],
    *,
    batch_size: int,
    device: torch.device,
    rounds: int,
) -> list[Speed]:
    """Measure the methods' steps against bare products and the plain loop. The first round only warms up."""
    plain = plain_update(batch_size, device)
    cases = [
        _Case(method, stack, build(method, stack, batch_size, device).update) for method in methods for stack in stacks
    ]
    products = {stack: product(stack, device) for stack in stacks}
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


def build(method: Method, stack: int, batch_size: int, device: torch.device) -> Learner:
    """Build the learner of a stack, on synthetic data of shapes that fit the method."""
    name, episodes = fitting_task(method)
    runs = make_runs(method, range(stack), make_budget(batch_size, episodes=episodes), name)
    return loop.build_learner(runs, _store(name, episodes), device)


@functools.cache
def _store(name: str, episodes: int) -> EpisodeStore:
    return make_store(episodes, 0, name)


def counted_flops(method: Method, batch_size: int) -> int:
    """Count the floating-point operations in matrix products of one member's update.

    :meth:`Method.flops` gives the number that the equations need.
    """
    import torch

    from smore_sweep.bench.flops import count_flops

    return count_flops(build(method, 1, batch_size, torch.device("cpu")).update)


@dataclass(frozen=True)
class _Case:
    method: Method
    stack: int
    update: Callable[[], None]


def _round(
    case: _Case,
    product: tuple[Callable[[], object], int],
    plain: Callable[[], object],
    batch_size: int,
    device: torch.device,
) -> tuple[float, float, float, float]:
    """Measure rate, ratio, share and the product rate in GFLOP/s."""
    multiply, operations = product
    gpu = device.type == "cuda"

    def neighbours() -> tuple[float, float]:
        return rate(multiply, 50 if gpu else 20, device) * operations, rate(plain, 10 if gpu else 2, device)

    before = neighbours()
    own = rate(case.update, 50 if gpu else max(1, 8 // case.stack), device) * case.stack
    after = neighbours()
    products, plain_rate = ((a + b) / 2 for a, b in zip(before, after, strict=True))
    flops = case.method.flops(task(fitting_task(case.method)[0]).sizes, batch_size)
    return own, own / plain_rate, own * flops / products, products / 1e9


def rate(call: Callable[[], object], count: int, device: torch.device) -> float:
    """Return the calls per second over ``count`` calls."""
    started = _clock(device)
    for _ in range(count):
        call()
    return count / (_clock(device) - started)


def _clock(device: torch.device) -> float:
    """Return the time in seconds, after waiting for a GPU's asynchronous work."""
    import torch

    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def product(stack: int, device: torch.device) -> tuple[Callable[[], object], int]:
    """Return a product of a hidden layer's shape in single precision, and its floating-point operations.

    On a CPU members are computed one by one, on a GPU together.
    """
    import torch

    members = stack if device.type == "cuda" else 1
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(members, 512, 256, generator=generator).to(device)
    right = torch.randn(members, 256, 256, generator=generator).to(device)
    result = torch.empty(members, 512, 256, device=device)
    return lambda: torch.bmm(left, right, out=result), 2 * members * 512 * 256 * 256


def plain_update(batch_size: int, device: torch.device) -> Callable[[], object]:
    """Return an update of the plain loop, on the same data.

    Products have torch's default precision, as in the baselines; :func:`smore_sweep.training.device.prepare` may set a
    faster one for the platform's steps.
    """
    import torch

    from smore_sweep.bench.plain_loop import Buffer, PlainLoop
    from smore_sweep.smore import SMORe

    row = task(TASK)
    expert = int(EPISODES * EXPERT_SHARE)
    episodes = concatenate([make_episodes(expert, 0), make_episodes(EPISODES - expert, 1)])
    buffer = Buffer(episodes, row.threshold, seed=0)
    loop = PlainLoop(SMORe(), row.sizes, buffer, batch_size=batch_size, updates=1_000_000, device=device)

    def update() -> None:
        precision = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        loop.update()
        torch.set_float32_matmul_precision(precision)

    return update
