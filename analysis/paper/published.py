"""The paper's printed numbers, transcribed in ``paper/all_results_long.csv`` (Tables 1, 2 and 6 to 16).

Each row has the cell as printed (``raw``) and any doubt about it (``note``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from analysis.paper import ogbench
from sweeps._budgets import LOCOMOTION_SHARE

NAMES = {
    "SMORe": ("SMORe", "SMORe(beta=0.5)"),
    "SMORe beta=0.7": ("SMORe(beta=0.7)",),
    "SMORe beta=0.8": ("SMORe(beta=0.8)",),
    "SMORe beta=0.9": ("SMORe(beta=0.9)",),
    "SMORe her_ratio=0.0": ("SMORe w/o HER",),
    "SMORe extraction=gradient": ("SMORe (w/o AWR)",),
    "GoFAR": ("GoFAR", "GoFAR (discriminator)"),
    "GoFAR reward=binary": ("r-GoFAR (sparse reward)",),
    "GC-IQL": ("GC-IQL", "IQL"),
}
"""Printed names of our labels, where they differ."""

_CSV = Path(__file__).with_name("all_results_long.csv")
_KINDS = {
    **dict.fromkeys(("return98", "return99", "return999"), "discounted_return"),
    "success": "success_rate",
    "final_distance": "final_distance",
}
_MAIN = ("1", "2", "6", "7", "8", "14", "10", "11")
"""The own table of each setting; the others repeat their cells."""


@dataclass(frozen=True)
class Printed:
    """A printed cell. ``std`` is NaN where none is printed. ``doubtful``: the cell appears to be another share's."""

    mean: float
    std: float
    doubtful: bool = False


def published(table: str) -> pd.DataFrame:
    """Return the rows of a table: task, method, expert_share, doubtful, metric, mean, std, raw and note.

    ``mean`` is NaN where the paper prints a dash.

    Args:
        table: Number of the table, such as ``"2"``.

    Raises:
        ValueError: There is no such table; the message lists the valid ones.
    """
    everything = _everything()
    if table not in set(everything["table"]):
        raise ValueError(f"there is no table {table!r}; the tables are: {', '.join(everything['table'].unique())}")
    return everything[everything["table"] == table].drop(columns="table").reset_index(drop=True)


def beside(metric: str, task: str, label: str, expert_share: float, table: str = "") -> Printed | None:
    """Find the printed cell to show beside our own value of ``metric``.

    It is that of ``table`` if it has one, else that of the setting's own table, else None. The paper prints one kind of
    return and does not state its discount, so the same cell goes with each of ours. Success *at any step* is OGBench's.
    """
    if metric == "ever":
        return Printed(*found) if (found := ogbench.cells().get((task, label))) else None
    printed = _cells(_KINDS[metric]) if metric in _KINDS else {}
    for number in (table, *_MAIN):
        for name in NAMES.get(label, (label,)):
            if cell := printed.get((number, task, name, expert_share)):
                return cell
    return None


def printed_means(table: str) -> pd.DataFrame:
    """Return the means that judge a claim: label (ours), task, expert_share and value, the headline outcome.

    Args:
        table: Number of a table of the SMORe paper, or ``"ogbench"``.
    """
    if table == "ogbench":
        rates = ogbench.success_rates()
        return rates.assign(expert_share=1.0, value=rates["mean"])
    labels = {name: label for label, names in NAMES.items() for name in names}
    cells = published(table).query("metric == 'discounted_return'").dropna(subset="mean")
    return cells.assign(label=cells["method"].map(lambda name: labels.get(name, name)), value=cells["mean"])


def heading(table: str, label: str) -> str:
    """Return the name of one of our methods in a table of the paper; the label if it has no such method."""
    printed = set(published(table)["method"])
    return next((name for name in NAMES.get(label, (label,)) if name in printed), label)


def tasks_in_print(table: str) -> list[str]:
    """List the tasks of a table, from top to bottom, without its averages."""
    rows = published(table)
    return list(map(str, rows.loc[rows["metric"].isin(_KINDS.values()), "task"].unique()))


@cache
def _everything() -> pd.DataFrame:
    frame = pd.read_csv(_CSV, dtype={"table": str, "expert_fraction": str, "raw": str, "note": str})
    # "0.10?" marks cells with another share's values. The share of locomotion's 30 expert episodes is not printed.
    shares = frame["expert_fraction"]
    frame["expert_share"] = pd.to_numeric(shares.str.rstrip("?")).fillna(LOCOMOTION_SHARE)
    frame["doubtful"] = shares.str.endswith("?").eq(True)
    return frame[["table", "task", "method", "expert_share", "doubtful", "metric", "mean", "std", "raw", "note"]]


@cache
def _cells(kind: str) -> dict[tuple[str, str, str, float], Printed]:
    everything = _everything()
    rows = everything[everything["metric"] == kind].dropna(subset="mean")
    return {
        (r.table, r.task, r.method, r.expert_share): Printed(float(r.mean), float(r.std), bool(r.doubtful))
        for r in rows.itertuples()
    }
