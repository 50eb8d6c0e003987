"""Tables and lines that show a plan, a campaign and an estimate in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from smore_sweep.console import format_duration
from smore_sweep.cores import usable_cores
from smore_sweep.planning.campaign import GPU_MEMBER_UPDATES, CampaignEntry
from smore_sweep.planning.estimate import Estimate
from smore_sweep.planning.plan import Plan
from smore_sweep.results import record
from smore_sweep.run_spec import GENERATED, share_of

STATES = (record.DONE, record.PARTIAL, record.MISSING)
"""The states of a run, in the order in which they are shown."""


def plan_table(plan: Plan) -> Table:
    """Return the cells of a sweep and how many of their runs are done, partial and missing."""
    where = plan.scale if plan.source == GENERATED else f"{plan.scale}, {plan.source} data"
    table = Table(title=f"{plan.sweep.name} · {where}: {plan.sweep.description}", title_justify="left")
    for name in ("task", "method", "expert"):
        table.add_column(name)
    for name in ("updates", "runs", *STATES):
        table.add_column(name, justify="right")
    previous = ""
    for name, label, share, states, run in plan.rows():
        if name != previous and previous:
            table.add_section()
        table.add_row(
            "" if name == previous else name, label, share_of(name, share), f"{run.budget.updates:,}",
            *(str(count or "·") for count in (states.total(), *(states[state] for state in STATES))),
        )  # fmt: skip
        previous = name
    return table


def campaign_table(entries: Sequence[CampaignEntry], scale: str) -> Table:
    """Return what every sweep at a scale adds to the ones above it, and the totals of the campaign."""
    cores = usable_cores()
    table = Table(
        title=f"The whole campaign at scale {scale}", title_justify="left", caption_justify="left",
        caption="New: runs that no sweep above has; done: of those; then what the rest of those takes. On a GPU: if it "
        f"does {GPU_MEMBER_UPDATES:,} member-updates a second, an H200's in stacks of 50 of the paper's networks.",
    )  # fmt: skip
    table.add_column("sweep", no_wrap=True)
    for name in ("runs", "new", "done", "stacks left", "updates left", f"{cores}-core hours", "GPU hours"):
        table.add_column(name, justify="right")
    total = [0.0] * 6
    for entry in entries:
        numbers = [
            len(entry.fresh.runs), entry.fresh.count(record.DONE), entry.stacks(cores), entry.member_updates,
            entry.seconds(cores) / 3600, entry.member_updates / GPU_MEMBER_UPDATES / 3600,
        ]  # fmt: skip
        total = [before + number for before, number in zip(total, numbers, strict=True)]
        table.add_row(entry.plan.sweep.name, f"{len(entry.plan.runs):,}", *_campaign_numbers(numbers))
    table.add_section()
    table.add_row("all", "", *_campaign_numbers(total))
    return table


def _campaign_numbers(numbers: Sequence[float]) -> list[str]:
    return [*(f"{number:,.0f}" for number in numbers[:4]), *(f"{number:,.1f}" for number in numbers[4:])]


def estimate_line(guess: Estimate) -> str:
    """Return one line with the estimated time of the pending runs. It is that of CPU cores; no GPU is measured."""
    parts = [("data", guess.data), ("training", guess.training), ("evaluation", guess.evaluation)]
    named = ", ".join(f"{name} {format_duration(seconds)}" for name, seconds in parts if seconds >= 1)
    line = f"Estimated time on this machine's CPU cores: about {format_duration(guess.total)}"
    return line + (f" ({named})" if named else "")
