"""Group runs into stacks and order them. Scheduling never affects results.

The runs of a :class:`Stack` agree on everything but the seed, the expert share, and the method's knobs that are
stackable or of test time. They train side by side in one process; those that differ in knobs of test time alone are one
member.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from smore_sweep.hashing import digest
from smore_sweep.method import Method
from smore_sweep.run_spec import RunSpec, by_training
from smore_sweep.tasks import task as task_row

LARGEST_STACK = {"cpu": 10, "cuda": 100}
"""Most members per stack, by device. More cost memory and gain nothing on a CPU; a GPU saturates at some dozens."""
IMBALANCE = 1.15
"""Factor of the ideal makespan at which stacks are split no further."""


@dataclass(frozen=True)
class Stack:
    """Runs that train in one process.

    Attributes:
        runs: The runs.
        start: Updates behind each of them.
    """

    runs: tuple[RunSpec, ...]
    start: int = 0

    @cached_property
    def members(self) -> list[list[RunSpec]]:
        """The runs of each member that trains."""
        return by_training(self.runs)

    @property
    def name(self) -> str:
        """Stable, readable name for logs and trials."""
        first = self.runs[0]
        return f"{first.method.name}-{first.task}-{digest([run.run_id for run in self.runs])[:8]}"

    @property
    def member_updates(self) -> int:
        """Updates left to do, summed over members."""
        return len(self.members) * (self.runs[0].budget.updates - self.start)

    @property
    def work(self) -> int:
        """Floating-point operations in the matrix products of the updates left to do.

        Methods differ in the work of an update by a factor of several.
        """
        run = self.runs[0]
        return self.member_updates * _flops(run.method, run.task, run.budget.batch_size)


def group_into_stacks(
    pending: Iterable[tuple[RunSpec, int]], *, slots: int, largest: int, filled: bool = False
) -> list[Stack]:
    """Group runs into as few stacks as keep all workers busy.

    Stacks are split until the makespan is within :data:`IMBALANCE` of the ideal one, or no longer than that of single
    runs. A stack that is filled up costs the same however few its runs are, so splitting it gains nothing.

    Args:
        pending: (run, updates behind it) pairs.
        slots: Workers that train at the same time.
        largest: Most members per stack.
        filled: Whether stacks are filled up to one size, as on a GPU.

    Returns:
        Stacks in the order in which to start them, the one with the most work first.
    """
    groups: dict[tuple[str, int], list[RunSpec]] = defaultdict(list)
    for run, start in pending:
        groups[run.stack_key, start].append(run)
    unsplit = [Stack(tuple(runs), start) for (_, start), runs in groups.items()]
    if filled:
        pieces = (_split(stack, math.ceil(len(stack.members) / largest)) for stack in unsplit)
        return sorted(itertools.chain(*pieces), key=_most_work_first)
    total = sum(stack.work for stack in unsplit)
    singles = sorted(
        (single for stack in unsplit for single in _split(stack, len(stack.members))), key=_most_work_first
    )
    limit = max(IMBALANCE * total / slots, makespan(singles, slots))
    counts = [
        min(len(stack.members), max(stack.work * slots // max(total, 1), math.ceil(len(stack.members) / largest)))
        for stack in unsplit
    ]
    while True:
        splits = [_split(stack, count) for stack, count in zip(unsplit, counts, strict=True)]
        stacks = sorted(itertools.chain(*splits), key=_most_work_first)
        divisible = [index for index, pieces in enumerate(splits) if len(pieces[0].members) > 1]
        if not divisible or makespan(stacks, slots) <= limit:
            return stacks
        bottleneck = max(divisible, key=lambda index: splits[index][0].work)
        counts[bottleneck] += 1


def padded_size(runs: Iterable[RunSpec], largest: int) -> int:
    """Return the one size to which a GPU's stacks are filled up: that of the largest group of runs that can train in
    one stack. It depends on the runs of a sweep and not on which of them are pending, so results do not either."""
    groups = Counter(each[0].stack_key for each in by_training(runs))
    return min(max(groups.values()), largest)


def _most_work_first(stack: Stack) -> int:
    return -stack.work


def makespan(stacks: Iterable[Stack], slots: int) -> int:
    """Return the operations of the busiest of ``slots`` workers, if each takes the next stack as soon as it is free."""
    busy = [0] * slots
    for stack in stacks:
        busy[busy.index(min(busy))] += stack.work
    return max(busy)


@cache
def _flops(method: Method, task: str, batch_size: int) -> int:
    return method.flops(task_row(task).sizes, batch_size)


def _split(stack: Stack, count: int) -> list[Stack]:
    """Split a stack into ``count`` stacks that differ by at most one member, the larger ones first."""
    base, extra = divmod(len(stack.members), count)
    ends = list(itertools.accumulate(base + (index < extra) for index in range(count)))
    return [
        Stack(tuple(itertools.chain(*stack.members[begin:end])), stack.start)
        for begin, end in zip([0, *ends], ends, strict=False)
    ]


def describe_stacks(stacks: Sequence[Stack]) -> str:
    """Return ``4 stacks of 5``, or ``3 stacks of 3 to 5``."""
    sizes = sorted({len(stack.members) for stack in stacks})
    members = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    shared = any(len(stack.members) < len(stack.runs) for stack in stacks)
    reason = " (runs that differ in knobs of test time alone train once)" if shared else ""
    return f"{len(stacks)} stack{'s' * (len(stacks) > 1)} of {members}{reason}"
