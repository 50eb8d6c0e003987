"""Tables to make: the paper's, and one for each sweep that yields none of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.frames.benchmarks import usual_metrics
from analysis.frames.request import ResultsRequest
from analysis.frames.series import declared
from analysis.paper.tables import PAPER_TABLES, PaperTable
from smore_sweep.results.record import DONE
from smore_sweep.spec import Sweep
from smore_sweep.storage.paths import is_folder


@dataclass(frozen=True)
class TableRequest:
    """A table of the paper, or a sweep's own if ``table`` is None: on all of its tasks unless ``tasks`` names some."""

    sweep: Sweep
    scale: str
    metric: str
    table: PaperTable | None = None
    tasks: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Title in words."""
        return self.table.title if self.table else self.sweep.description

    @property
    def name(self) -> str:
        """Name in file names and in the CSV format."""
        return f"table_{int(self.table.number):02}" if self.table else self.sweep.name

    @property
    def stem(self) -> str:
        """Stem of the file name."""
        usual = self.table.metric if self.table else next(iter(usual_metrics(self.sweep.tasks)))
        return f"{self.name}_{self.scale}" + ("" if self.metric == usual else f"_{self.metric}")

    @property
    def content(self) -> tuple[object, ...]:
        """Key that is equal for two tables that would show the same numbers."""
        table = self.table
        columns = (tuple(table.labels), tuple(table.shares)) if table else ()
        return (self.sweep.name, self.scale, self.metric, columns)


def of_sweep(table: PaperTable, sweep: Sweep) -> PaperTable:
    """A table of the paper with a column for every configuration of its sweep, also for those that print lacks."""
    return table.with_columns(method.label for method in declared(sweep))


def tables_of(sweep: Sweep) -> list[PaperTable | None]:
    """The tables of the paper that a sweep yields, or else [None], which stands for a table of its own.

    A sweep that was changed until a table has none of its configurations does not yield that table.
    """
    labels = {method.label for method in declared(sweep)}
    yielded = [table for table in PAPER_TABLES.values() if table.sweep == sweep.name and labels & {*table.labels}]
    return [of_sweep(table, sweep) for table in yielded] or [None]


def finished(requests: Sequence[TableRequest], about: ResultsRequest) -> list[tuple[TableRequest, pd.DataFrame]]:
    """The tables that have a finished run, each with one row per expected run."""
    if not is_folder(about.results):
        return []
    frames: dict[tuple[str, str], pd.DataFrame] = {}
    tables = []
    for request in requests:
        key = (request.sweep.name, request.scale)
        if key not in frames:
            frames[key] = about.load(request.sweep, request.scale)
        frame = request.table.select(frames[key]) if request.table else frames[key]
        if request.tasks:
            frame = frame[frame["task"].isin(request.tasks)]
        if (frame["status"] == DONE).any():
            tables.append((request, frame))
    return tables
