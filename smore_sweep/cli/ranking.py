"""The ranking that a search ends with. It is no table of means: few of its runs are done."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from smore_sweep.planning.plan import Plan
from smore_sweep.planning.search import Search, Standing, rank, read_trials
from smore_sweep.results.record import DONE
from smore_sweep.run_spec import RunSpec, percent
from smore_sweep.storage.paths import StoragePath

NOTE = (
    "The ranking of a search, not a table of results: asha stops configurations that fall behind at the update that is "
    "shown, and the best of many looks better than it is. The same command without --search trains all to the end."
)


def print_ranking(
    out: Console, search: Search, plan: Plan, grid: Sequence[RunSpec], results: StoragePath, *, as_json: bool
) -> None:
    """Print how the configurations of a search rank, and what it has cost.

    Args:
        out: Where the ranking is printed, unless it is JSON, which goes to standard output.
        search: The search.
        plan: Its plan as it was before.
        grid: The runs of the whole grid.
        results: Results folder.
        as_json: Whether to print JSON.
    """
    trials = read_trials(plan, results)
    standings = rank(trials, search)
    spent = sum(
        trial.summaries[run.run_id].update - plan.behind.get(run.run_id, 0)
        for trial in trials
        for run in trial.runs
        if run.run_id in trial.summaries and plan.states[run.run_id] != DONE
    )
    whole = sum(run.budget.updates for run in grid)
    if as_json:
        record = {
            "sweep": plan.sweep.name,
            "scale": plan.scale,
            "search": search.algorithm,
            "metric": search.metric,
            "updates_spent": spent,
            "updates_of_the_grid": whole,
            "note": NOTE,
            "ranking": [standing.as_dict() for standing in standings],
        }
        print(json.dumps(record, indent=2))
        return
    out.print(_table(plan, search, standings))
    out.print(f"{spent:,} updates were spent; the whole grid takes {whole:,}")
    out.print(NOTE)


def _table(plan: Plan, search: Search, standings: Sequence[Standing]) -> Table:
    table = Table(title=f"{plan.sweep.name} · {plan.scale}: search by {search.algorithm}", title_justify="left")
    for name in ("task", "expert"):
        table.add_column(name)
    table.add_column("rank", justify="right")
    table.add_column("method", overflow="fold")
    for name in (search.metric, "seeds", "updates"):
        table.add_column(name, justify="right")
    for standing in standings:
        first = standing.rank == 1
        if first:
            table.add_section()
        spread = "" if standing.std is None else f" ± {standing.std:.2f}"
        table.add_row(
            standing.task if first else "", percent(standing.expert_share) if first else "", str(standing.rank),
            standing.method, "-" if standing.mean is None else f"{standing.mean:.2f}{spread}", str(standing.seeds),
            f"{standing.update:,} of {standing.updates:,}",
        )  # fmt: skip
    return table
