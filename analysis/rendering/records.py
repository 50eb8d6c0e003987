"""Tables as plain records: one per cell, with everything that the other formats show."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from analysis.frames.rank_agreement import agreements
from analysis.rendering.layout import Layout

_COLUMNS = ("mean", "std", "seeds", "expected", "diverged", "partial", "missing", "best", "p", "star")


def tables(named: Iterable[tuple[str, Layout]]) -> list[dict[str, Any]]:
    """Convert tables, each with its name, to JSON types. NaN becomes None."""
    return [
        {
            "table": name,
            "title": layout.caption[0],
            "caption": list(layout.caption[1:]),
            "cells": [{key: _plain(value) for key, value in record.items()} for record in cells(name, layout)],
        }
        for name, layout in named
    ]


def cells(name: str, layout: Layout) -> list[dict[str, Any]]:
    """List the cells of a table with a name."""
    by_key = agreements(layout.cells)
    records = []
    for cell in layout.cells:
        printed = cell.published
        record = {
            "table": name,
            "scale": layout.scale,
            "source": layout.source,
            "metric": layout.metric,
            "task": cell.task,
            "expert_share": cell.expert_share,
            "method": layout.names.get(cell.label, cell.label),
            **{column: getattr(cell, column) for column in _COLUMNS},
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


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value.item() if hasattr(value, "item") else value
