"""The paper's tables as data: the runs and columns of each. To add a table, add an entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from smore_sweep.run_spec import percent

OURS = "not in the paper"
"""Heading of columns that the sweep has beyond the printed table."""

_SEVEN = {
    "Occupancy matching": ("SMORe", "GoFAR"),
    "Behaviour cloning": ("WGCSL", "GCSL"),
    "Contrastive RL": ("CRL",),
    "RL": ("AM", "GC-IQL"),
}
_BASELINES = "SMORe and GoFAR are Table 2's, which the paper prints apart."


@dataclass(frozen=True, kw_only=True)
class PaperTable:
    """A table of the paper, made of a sweep's runs.

    ``groups`` maps headings to labels (:attr:`smore_sweep.method.Method.label`), in the order of the columns. Empty
    ``shares`` mean all of the sweep. ``remark`` is a sentence of the caption about differences from the printed table.
    """

    number: str
    title: str
    sweep: str
    groups: Mapping[str, Sequence[str]]
    metric: str = "return99"
    shares: Sequence[float] = ()
    remark: str = ""

    @property
    def labels(self) -> list[str]:
        """The columns, from left to right."""
        return [label for labels in self.groups.values() for label in labels]

    def group(self, label: str) -> str:
        """Return the heading above a column."""
        return next(name for name, labels in self.groups.items() if label in labels)

    def with_columns(self, labels: Iterable[str]) -> PaperTable:
        """Return the table with columns for these labels, too: those that it lacks come last, as not in the paper."""
        more = [label for label in dict.fromkeys(labels) if label not in self.labels]
        return replace(self, groups={**self.groups, OURS: (*self.groups.get(OURS, ()), *more)}) if more else self

    def select(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Select the runs of the table among those of its sweep, sorted by column."""
        order = {label: position for position, label in enumerate(self.labels)}
        rows = frame[frame["label"].isin(order)]
        if self.shares:
            rows = rows[rows["expert_share"].isin(self.shares)]
        return rows.sort_values("label", key=lambda labels: labels.map(order), kind="stable")


_ALL = (
    PaperTable(number="1", title="seven methods", sweep="main", groups=_SEVEN),
    PaperTable(
        number="2",
        title="expert data become scarce",
        sweep="coverage_ablation",
        groups={"": ("SMORe", "GoFAR")},
    ),
    *(
        PaperTable(
            number=number,
            title=f"seven methods with {percent(share)} expert data",
            sweep="coverage_methods",
            groups=_SEVEN,
            shares=(share,),
            remark=_BASELINES,
        )
        for number, share in (("6", 0.05), ("7", 0.025), ("8", 0.01))
    ),
    PaperTable(
        number="9",
        title="SMORe by its mixture ratio",
        sweep="mixture_ratio",
        groups={"": ("SMORe", "SMORe beta=0.7", "SMORe beta=0.8", "SMORe beta=0.9")},
    ),
    PaperTable(number="10", title="seven methods", sweep="main", groups=_SEVEN, metric="success"),
    PaperTable(number="11", title="seven methods", sweep="main", groups=_SEVEN, metric="final_distance"),
    PaperTable(
        number="12",
        title="SMORe by its share of hindsight goals",
        sweep="her_ratio",
        groups={
            "": ("SMORe", "SMORe her_ratio=0.0", "GoFAR"),
            OURS: ("SMORe her_ratio=0.2", "SMORe her_ratio=0.5", "SMORe her_ratio=1.0"),
        },
        remark="SMORe has a share of 0.8 here, on every task; other tables have the share that model selection chose.",
    ),
    PaperTable(
        number="13",
        title="variants of GoFAR",
        sweep="gofar_variants",
        groups={"": ("SMORe", "GoFAR", "GoFAR reward=binary", "GoFAR (expectile loss+AWR)")},
        remark="The printed column 'GoFAR (sparse reward)' is left out: it is another paper's, of what r-GoFAR reran.",
    ),
    PaperTable(
        number="14",
        title="random data only",
        sweep="suboptimal_data",
        groups={"": ("SMORe", "GoFAR", "WGCSL", "GC-IQL")},
    ),
    PaperTable(
        number="15",
        title="in-sample value methods",
        sweep="in_sample",
        groups={"": ("SMORe", "GC-IQL", "GC-SQL", "GC-EQL", "GC-XQL")},
    ),
    PaperTable(
        number="16",
        title="SMORe without its parts",
        sweep="components",
        groups={
            "": ("SMORe", "SMORe extraction=gradient", "SMORe (w/o AWR and Expectile loss)"),
            OURS: ("SMORe extraction=gradient_bc", "SMORe (action-free)"),
        },
    ),
)
PAPER_TABLES = {table.number: table for table in _ALL}
"""By the number in print."""
