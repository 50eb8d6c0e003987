"""The paper's printed numbers, as transcribed in ``paper/all_results_long.csv`` (Tables 1, 2 and 6 to 16).

Each row keeps the cell as printed (``raw``) and what is doubtful about it (``note``).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

_CSV = Path(__file__).parent / "paper" / "all_results_long.csv"
_RETURNS = ("1", "2", "6", "7", "8", "14")  # 10%; 5, 2.5 and 1% of SMORe and GoFAR; the same of the others; 0%
_TABLES = {
    **dict.fromkeys(("return98", "return99", "return999"), _RETURNS),
    "success": ("10",),
    "final_distance": ("11",),
}


def published(table: str) -> pd.DataFrame:
    """The rows of a table, such as ``"2"``: task, method, expert_share, metric, mean, std, raw and note.

    ``expert_share`` is NaN where the paper's cell has none or a doubtful one, ``mean`` where it prints a dash.
    Raises :class:`ValueError` that lists the valid tables."""
    everything = _everything()
    if table not in set(everything["table"]):
        raise ValueError(f"there is no table {table!r}; the tables are: {', '.join(everything['table'].unique())}")
    return everything[everything["table"] == table].drop(columns="table").reset_index(drop=True)


def cell(table: str, task: str, method: str, expert_share: float) -> tuple[float, float] | None:
    """``(mean, std)`` as printed, or None if the table has no such cell or a dash. A std that is not printed is NaN."""
    return _cells(table).get((task, method, expert_share))


def beside(metric: str, task: str, method: str, expert_share: float) -> tuple[float, float] | None:
    """The printed ``(mean, std)`` to show beside our own value of ``metric``, or None. The paper prints one kind of
    return and does not state its discount, so the same cell stands beside each of ours."""
    found = (cell(table, task, method, expert_share) for table in _TABLES[metric])
    return next((value for value in found if value is not None), None)


@cache
def _everything() -> pd.DataFrame:
    frame = pd.read_csv(_CSV, dtype={"table": str, "expert_fraction": str, "raw": str, "note": str})
    # "0.10?" marks cells that carry another share's values.
    frame["expert_share"] = pd.to_numeric(frame["expert_fraction"], errors="coerce")
    return frame[["table", "task", "method", "expert_share", "metric", "mean", "std", "raw", "note"]]


@cache
def _cells(table: str) -> dict[tuple[str, str, float], tuple[float, float]]:
    printed = published(table).dropna(subset=["expert_share", "mean"])
    return {(r.task, r.method, r.expert_share): (float(r.mean), float(r.std)) for r in printed.itertuples()}
