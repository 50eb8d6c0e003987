"""Score the policies that generate the data, on fresh episodes."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from smore_sweep.console import make_console, progress_bar
from smore_sweep.cores import usable_cores
from smore_sweep.data.rollout import rollout
from smore_sweep.data.summary import outcomes_of
from smore_sweep.data.workers import worker_processes
from smore_sweep.episodes import concatenate
from smore_sweep.errors import DeclarationError
from smore_sweep.tasks import TASKS, task

FRESH = 1_000_000
"""Number of the first episode: beyond the size of any pool, so that no episode is in the data."""
CHUNK_STEPS = 1_000
COLUMNS = {"success": "success", "return98": "return at 0.98", "return99": "at 0.99", "return999": "at 0.999"}


def measure(names: Sequence[str], episodes: int) -> int:
    """Print a table of each task's policies: expert without and with the data's noise, medium (if any) and random.

    Args:
        names: The tasks, or none for all of them.
        episodes: Number of episodes per policy.

    Raises:
        DeclarationError: A task is unknown, or ``episodes`` is not positive.
    """
    if episodes < 1:
        raise DeclarationError(f"episodes = {episodes} is not valid; it must be a whole number of at least 1")
    out = make_console()
    rows = [task(name) for name in names] if names else list(TASKS.values())
    cases = [
        (row.name, policy, noise)
        for row in rows
        for policy in dict.fromkeys((*row.pools, "random"))
        for noise in (dict.fromkeys((0.0, row.expert_noise)) if policy == "expert" else (0.0,))
    ]
    table = Table(title=f"Policies, {episodes} fresh episodes each", title_justify="left")
    for name in ("task", "policy", "noise"):
        table.add_column(name)
    for name in COLUMNS.values():
        table.add_column(name, justify="right")
    with (
        worker_processes(usable_cores()) as pool,
        progress_bar(out, "episodes", episodes * len(cases)) as advance,
    ):
        for name, policy, noise in cases:
            size = max(1, CHUNK_STEPS // task(name).horizon)
            starts = range(0, episodes, size)
            jobs = [
                pool.submit(rollout, name, policy, FRESH + start, min(size, episodes - start), noise)
                for start in starts
            ]
            parts = []
            for job in jobs:
                parts.append(job.result())
                advance(len(parts[-1]))
            summary = outcomes_of(name, concatenate(parts)).summary()
            numbers = (f"{summary[column]:.2f}" for column in COLUMNS)
            table.add_row(name, policy, f"{noise:g}" if policy == "expert" else "", *numbers)
    out.print(table)
    return 0
