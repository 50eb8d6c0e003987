"""CSV of tables: one line per cell, with everything that the other formats show."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from analysis.frames.cells import Cell
from analysis.frames.rank_agreement import agreements
from analysis.rendering.layout import Layout

_COLUMNS = ("mean", "std", "seeds", "expected", "diverged", "partial", "missing", "best", "p", "star")


def tables(named: Iterable[tuple[str, Layout]]) -> str:
    """Write the tables, each with its name, one after the other."""
    records = [record for name, layout in named for record in _records(name, layout)]
    return str(pd.DataFrame(records).to_csv(index=False, float_format="%.6g"))


def _records(name: str, layout: Layout) -> list[dict[str, object]]:
    by_key = agreements(layout.cells)
    records = []
    for cell in layout.cells:
        printed = cell.published
        record = {
            "table": name,
            "scale": layout.scale,
            "source": layout.source,
            "metric": layout.metric,
            **_record(cell),
            "published_mean": printed.mean if printed else math.nan,
            "published_std": printed.std if printed else math.nan,
            "published_doubtful": printed.doubtful if printed else False,
        }
        if layout.compare:
            agreement = by_key.get((cell.task, cell.column[0]))
            record |= {
                "ratio": cell.ratio,
                "tau": agreement.tau if agreement else math.nan,
                "order": agreement.order if agreement else "",
            }
        records.append(record)
    return records


def _record(cell: Cell) -> dict[str, object]:
    return {
        "task": cell.task,
        "expert_share": cell.expert_share,
        "method": cell.label,
        **{name: getattr(cell, name) for name in _COLUMNS},
    }
