"""What a person sees in the terminal: plans, methods, and how far something is, in plain lines where there is no
terminal. (A sweep in training: :mod:`smore_sweep.monitoring.progress_reporter`.)"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from smore_sweep.method import Method, knobs
from smore_sweep.planning.campaign import GPU_MEMBER_UPDATES, CampaignEntry
from smore_sweep.planning.estimate import Estimate
from smore_sweep.planning.plan import Plan
from smore_sweep.results import record
from smore_sweep.spec import GENERATED, percent

PLAIN_SECONDS = 10.0
"""Without a terminal, a line of progress is printed this often."""


def console() -> Console:
    """Standard output; 100 columns where it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else 100, soft_wrap=False, highlight=False)


def duration(seconds: float) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def plan_table(plan: Plan) -> Table:
    """The cells of a sweep and how many of their runs are done, partial and missing."""
    where = plan.scale if plan.source == GENERATED else f"{plan.scale}, {plan.source} data"
    table = Table(title=f"{plan.sweep.name} · {where}: {plan.sweep.description}", title_justify="left")
    for name in ("task", "method", "expert"):
        table.add_column(name)
    for name in ("updates", "runs", "done", "partial", "missing"):
        table.add_column(name, justify="right")
    previous = ""
    for name, label, share, states, run in plan.rows():
        if name != previous and previous:
            table.add_section()
        table.add_row(
            "" if name == previous else name, label, percent(share), f"{run.budget.updates:,}",
            *(str(count or "·") for count in (states.total(), states[record.DONE], states[record.PARTIAL],
            states[record.MISSING])),
        )  # fmt: skip
        previous = name
    return table


def campaign_table(parts: Sequence[CampaignEntry], scale: str) -> Table:
    """What every sweep at a scale adds to the ones above it, and the whole campaign."""
    cores = os.cpu_count() or 1
    table = Table(
        title=f"The whole campaign at scale {scale}", title_justify="left", caption_justify="left",
        caption="New: runs that no sweep above has; done: of those; then what the rest of those takes. On a GPU: if it "
        f"does {GPU_MEMBER_UPDATES:,} member-updates a second, which is the aim and not measured.",
    )  # fmt: skip
    table.add_column("sweep", no_wrap=True)
    for name in ("runs", "new", "done", "stacks left", "updates left", f"{cores}-core hours", "GPU hours"):
        table.add_column(name, justify="right")
    total = [0.0] * 6
    for part in parts:
        numbers = [
            len(part.fresh.runs), part.fresh.count(record.DONE), part.stacks(cores), part.member_updates,
            part.seconds(cores) / 3600, part.member_updates / GPU_MEMBER_UPDATES / 3600,
        ]  # fmt: skip
        total = [before + number for before, number in zip(total, numbers, strict=True)]
        table.add_row(part.plan.sweep.name, f"{len(part.plan.runs):,}", *_campaign_numbers(numbers))
    table.add_section()
    table.add_row("all", "", *_campaign_numbers(total))
    return table


def _campaign_numbers(numbers: Sequence[float]) -> list[str]:
    return [*(f"{number:,.0f}" for number in numbers[:4]), *(f"{number:,.1f}" for number in numbers[4:])]


def methods_table(known: Mapping[str, type[Method]]) -> Table:
    """Every method: the name to give, the name in tables, where it comes from, and the knobs that not all have."""
    common = set.intersection(*(set(knobs(kind)) for kind in known.values()))
    table = Table(
        title="Methods. Runs that differ in knobs with a * train in one stack.", title_justify="left",
        caption=f"All have {', '.join(sorted(common))}.", caption_justify="left",
    )  # fmt: skip
    for heading in ("method", "in tables", "paper", "knobs of its own"):
        table.add_column(heading, overflow="fold")  # a knob's name is to be typed, so none of it is left out
    for name, kind in known.items():
        own = {knob: field.metadata["knob"] for knob, field in knobs(kind).items() if knob not in common}
        marked = (f"{knob}{'*' * info.stackable}" for knob, info in own.items())
        table.add_row(name, kind.name, kind.paper, ", ".join(marked), end_section=True)
    return table


def knobs_table(kind: type[Method]) -> Table:
    """Every knob of a method: default, valid values, meaning."""
    table = Table(title=f"{kind.name}: {kind.paper}", title_justify="left")
    for heading in ("knob", "default", "valid", "meaning"):
        table.add_column(heading, overflow="fold")
    for name, field in knobs(kind).items():
        knob = field.metadata["knob"]
        valid = "true or false" if isinstance(field.default, bool) else knob.describe()
        table.add_row(f"{name}{'*' * knob.stackable}", f"{field.default}", valid, knob.help)
    return table


def estimate_line(guess: Estimate) -> str:
    """One line: about how long what is pending takes on this machine."""
    parts = [("data", guess.data), ("training", guess.training), ("evaluation", guess.evaluation)]
    named = ", ".join(f"{name} {duration(seconds)}" for name, seconds in parts if seconds >= 1)
    return f"Estimated time on this machine: about {duration(guess.total)}" + (f" ({named})" if named else "")


@contextmanager
def counting(out: Console, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar, or a line now and then where there is no terminal. Yields a function to advance it."""
    started = said = time.monotonic()
    done = 0
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TextColumn("{task.fields[note]}"), console=out, transient=True, disable=not out.is_terminal,
    )  # fmt: skip
    with bar:
        row = bar.add_task(what, total=total, note="")

        def advance(count: int) -> None:
            nonlocal done, said
            done += count
            now = time.monotonic()
            left = duration((now - started) / max(done, 1) * (total - done))
            bar.update(row, completed=done, note=f"{left} left")
            if not out.is_terminal and now - said >= PLAIN_SECONDS:
                said = now
                out.print(f"{what}: {done:,} of {total:,}, {left} left")

        yield advance
    out.print(f"{what}: {done:,} in {duration(time.monotonic() - started)}")
