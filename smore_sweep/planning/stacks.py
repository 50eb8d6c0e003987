"""Which runs train together, in what order: scheduling, of which no result knows.

The runs of a :class:`Stack` agree on everything but the seed, the expert share and the method's stackable knobs, and
train side by side in one process.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from smore_sweep.method import Method
from smore_sweep.spec import RunSpec, digest
from smore_sweep.tasks import task as task_row

LARGEST_STACK = {"cpu": 10, "cuda": 100}
"""Largest number of members in a stack. On a CPU, more gain nothing and cost memory; a GPU saturates at some dozens."""
IMBALANCE = 1.15
"""Stacks are split until the slots are busy to the end, within this factor of an ideal schedule, or as well as single
runs would keep them."""


@dataclass(frozen=True)
class Stack:
    """Runs that train in one process, and the number of updates they have behind them."""

    runs: tuple[RunSpec, ...]
    start: int = 0

    @property
    def name(self) -> str:
        """Stable and readable, for logs and trial names."""
        first = self.runs[0]
        return f"{first.method.name}-{first.task}-{digest([run.run_id for run in self.runs])[:8]}"

    @property
    def member_updates(self) -> int:
        """Updates left to do, summed over members."""
        return sum(run.budget.updates - self.start for run in self.runs)

    @property
    def work(self) -> int:
        """Floating-point operations of the matrix products of the updates left to do. An update of one method takes
        several times as long as one of another."""
        run = self.runs[0]
        return self.member_updates * _flops(run.method, run.task, run.budget.batch_size)


def stacks(pending: Iterable[tuple[RunSpec, int]], *, slots: int, largest: int) -> list[Stack]:
    """Group ``(run, updates behind it)`` into as few stacks as keep ``slots`` parallel workers busy, each of at most
    ``largest`` members, the one with the most work first."""
    groups: dict[tuple[str, int], list[RunSpec]] = defaultdict(list)
    for run, start in pending:
        groups[run.stack_key, start].append(run)
    wholes = [Stack(tuple(runs), start) for (_, start), runs in groups.items()]
    total = sum(whole.work for whole in wholes)
    singles = sorted((single for whole in wholes for single in _split(whole, len(whole.runs))), key=_most_first)
    limit = max(IMBALANCE * total / slots, makespan(singles, slots))
    parts = [
        min(len(whole.runs), max(whole.work * slots // max(total, 1), math.ceil(len(whole.runs) / largest)))
        for whole in wholes
    ]
    while True:
        made = [_split(whole, count) for whole, count in zip(wholes, parts, strict=True)]
        packed = sorted(itertools.chain(*made), key=_most_first)
        divisible = [number for number, own in enumerate(made) if len(own[0].runs) > 1]
        if not divisible or makespan(packed, slots) <= limit:
            return packed
        largest_stack = max(divisible, key=lambda number: made[number][0].work)  # it keeps the other workers waiting
        parts[largest_stack] += 1


def _most_first(stack: Stack) -> int:
    return -stack.work


def makespan(made: Iterable[Stack], slots: int) -> int:
    """Operations of the busiest of ``slots`` workers, if each takes the next stack as soon as it is free."""
    busy = [0] * slots
    for stack in made:
        busy[busy.index(min(busy))] += stack.work
    return max(busy)


@cache
def _flops(method: Method, task: str, batch_size: int) -> int:
    return method.flops(task_row(task).sizes, batch_size)


def _split(whole: Stack, parts: int) -> list[Stack]:
    """The stack in ``parts`` that differ by at most one member."""
    base, extra = divmod(len(whole.runs), parts)
    ends = list(itertools.accumulate(base + (part < extra) for part in range(parts)))
    return [Stack(whole.runs[begin:end], whole.start) for begin, end in zip([0, *ends], ends, strict=False)]
