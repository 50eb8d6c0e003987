"""CSV of tables: one line per cell."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from analysis.rendering import records
from analysis.rendering.layout import Layout


def tables(named: Iterable[tuple[str, Layout]]) -> str:
    """Write the tables, each with its name, one after the other."""
    rows = [record for name, layout in named for record in records.cells(name, layout)]
    return str(pd.DataFrame(rows).to_csv(index=False, float_format="%.6g"))
