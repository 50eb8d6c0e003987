"""Small print of a figure: scale, seeds, data, and gaps."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis.frames.cells import Cell, cells
from analysis.frames.runs import changes, mixed_data
from analysis.stats.bootstrap import LEVEL
from smore_sweep.results.record import DONE
from smore_sweep.run_spec import percent

INTERVAL = (
    f"Mean over seeds and its {100 * LEVEL:g}% percentile bootstrap interval, which is too narrow for few seeds "
    "(it covers some 85% with five)."
)
"""The coverage holds for normal values: t with 4 degrees of freedom within 1.96 sqrt(4/5)."""

LISTED = 4
"""Most gaps that are listed; the others are counted."""


def notes(frame: pd.DataFrame, metric: str) -> list[str]:
    """Write scale, seeds, updates, source and revisions of the expected runs, and the gaps. A run counts once."""
    runs = frame.drop_duplicates("run_id")
    own = cells(runs, metric)
    seeds = sorted({cell.expected for cell in own})
    done = runs[runs["status"] == DONE]
    updates = sorted({int(value) for value in (done if len(done) else runs)["updates"]})
    sources = sorted({str(source) for source in runs["source"]})
    revisions = sorted({str(git)[:7] for git in runs["git"]} - {""})
    return [
        f"Scale {runs['scale'].iloc[0]}: {_range(seeds)} seed{'s' * (seeds != [1])} ({int(runs['seed'].min())} to "
        f"{int(runs['seed'].max())}), {_range(updates)} updates, {', '.join(sources)} data"
        + (f", revision {', '.join(revisions)}." if revisions else "."),
        *changes(runs),
        *mixed_data(runs),
        *_gaps(own, dict(zip(runs["label"], runs["method"], strict=True))),
    ]


def _gaps(own: list[Cell], methods: Mapping[str, str]) -> list[str]:
    """List the gaps. A method (by label in ``methods``) without any finished seed is named once, without its knobs."""
    labels, tasks = ({getattr(cell, of) for cell in own if cell.seeds} for of in ("label", "task"))
    begun = {methods[label] for label in labels}
    absent = [c.label if methods[c.label] in begun else methods[c.label] for c in own if c.label not in labels]
    absent += [cell.task for cell in own if cell.task not in tasks]
    expected = [cell for cell in own if cell.label in labels and cell.task in tasks]
    gaps = {
        "Nothing finished of": list(dict.fromkeys(absent)),
        "No finished seed": [_name(cell) for cell in expected if not cell.seeds],
        "Incomplete": [f"{_name(cell)}, {cell.gap}" for cell in expected if cell.seeds and cell.gap],
    }
    return [f"{kind}: {_list(items)}." for kind, items in gaps.items() if items]


def _name(cell: Cell) -> str:
    return f"{cell.label} on {cell.task} at {percent(round(cell.expert_share, 4))}"


def _list(items: list[str]) -> str:
    more = len(items) - LISTED
    return "; ".join(items[:LISTED]) + (f"; and {more} more" if more > 0 else "")


def _range(values: list[int]) -> str:
    return f"{values[0]:,}" if len(values) == 1 else f"{values[0]:,} to {values[-1]:,}"
