"""How well the stacks of a sweep fill the workers: 60 of unequal length on 1, 2 and 4 slots of a local Ray."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smore_sweep.bench.sweeping import Timing, session
from smore_sweep.bench.synthetic import EPISODES, QUICK_TASK, make_budget, make_runs, make_store
from smore_sweep.method import Method
from smore_sweep.planning.stacks import LARGEST_STACK, Stack, stacks

SLOTS = (1, 2, 4)
STACKS, BATCH = 60, 64
UPDATES = (20, 160)
"""Of the shortest and the longest stack; the others lie between, evenly in proportion."""


@dataclass(frozen=True)
class Packing:
    """When the stacks ran on so many slots."""

    slots: int
    timings: tuple[Timing, ...]

    @property
    def makespan(self) -> float:
        """Seconds from the first stack's beginning to the last one's end."""
        return max(timing.end for timing in self.timings) - min(timing.begin for timing in self.timings)

    @property
    def ratio(self) -> float:
        """Of the makespan to the ideal one, in which every slot is busy to the end with nothing but the stacks."""
        return self.makespan * self.slots / sum(timing.busy for timing in self.timings)

    def rows(self) -> list[list[Timing]]:
        """The stacks by slot, in order of time."""
        rows: list[list[Timing]] = [[] for _ in range(self.slots)]
        for timing in sorted(self.timings, key=lambda timing: timing.begin):
            min(rows, key=lambda row: row[-1].end if row else 0.0).append(timing)
        return rows


def measure_packing(methods: Sequence[Method], slots: int, count: int = STACKS) -> Packing:
    """Train the stacks on so many slots. Where these are more than the cores they slow each other down; a stack's
    length is what it takes then, so the ratio says how they are packed all the same."""
    made = unequal_stacks(methods, slots, count)
    with tempfile.TemporaryDirectory() as folder, session(Path(folder), slots) as where:
        timings = where.train(made, {QUICK_TASK: make_store(EPISODES, 0, QUICK_TASK)})
    return Packing(slots, tuple(timings.values()))


def unequal_stacks(methods: Sequence[Method], slots: int, count: int = STACKS) -> list[Stack]:
    """As the platform groups and orders ``count`` experiments of one or two seeds that differ in length, the methods in
    turn."""
    lengths = np.geomspace(*UPDATES, count).round().astype(int).tolist()
    runs = [
        run
        for number, updates in enumerate(lengths)
        for run in make_runs(
            methods[number % len(methods)], range(1 + number % 2), make_budget(BATCH, updates), QUICK_TASK
        )
    ]
    return stacks([(run, 0) for run in runs], slots=slots, largest=LARGEST_STACK["cpu"])


def draw(packings: Sequence[Packing], path: Path) -> None:
    """One chart a packing: a row a slot, a bar a stack."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        len(packings), 1, figsize=(8, 1.2 + 0.5 * sum(found.slots + 1 for found in packings)), layout="constrained",
        gridspec_kw={"height_ratios": [found.slots + 0.6 for found in packings]},
    )  # fmt: skip
    for axis, found in zip(np.atleast_1d(axes), packings, strict=True):
        start = min(timing.begin for timing in found.timings)
        for slot, row in enumerate(found.rows()):
            spans = [(timing.begin - start, timing.busy) for timing in row]
            axis.broken_barh(spans, (slot + 0.6, 0.8), facecolors=["#4477aa", "#88bbdd"])
        ideal = sum(timing.busy for timing in found.timings) / found.slots
        axis.axvline(ideal, color="#cc3311", linewidth=1)
        axis.set_yticks(range(1, found.slots + 1))
        axis.set_ylim(found.slots + 0.5, 0.5)
        axis.set_title(
            f"{len(found.timings)} stacks, {found.slots} worker{'s' * (found.slots > 1)}: {found.makespan:.0f} s, "
            f"{found.ratio:.2f} times the ideal (red)", fontsize=9, loc="left",
        )  # fmt: skip
        axis.spines[["top", "right"]].set_visible(False)
    axis.set_xlabel("seconds since the first update")
    figure.savefig(path, dpi=110)
    plt.close(figure)
