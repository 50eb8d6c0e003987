"""Selection of results: the options that all commands share, and the runs that they select."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from smore_sweep.errors import UserError
from smore_sweep.spec import GENERATED, RunSpec, Sweep, check_source
from smore_sweep.storage.paths import DEFAULT_RESULTS, StoragePath, is_folder, storage_path


@dataclass(frozen=True)
class ResultsRequest:
    """A results folder or archive, the source of the data, and the seeds per cell (None: the scale's own)."""

    results: StoragePath
    source: str = GENERATED
    seeds: int | None = None

    def runs(self, sweep: Sweep, scale: str, tasks: Sequence[str] | None = None) -> list[RunSpec]:
        """Expand a sweep at a scale. Raises :class:`UserError` for whatever :meth:`Sweep.expand` refuses."""
        return sweep.expand(scale, seeds=self.seeds, tasks=tasks, source=self.source)

    def load(self, sweep: Sweep, scale: str, tasks: Sequence[str] | None = None) -> pd.DataFrame:
        """Load one row for each of those runs (:func:`analysis.frames.runs.load`)."""
        from analysis.frames.runs import load  # late, so that a wrong request is refused at once

        return load(self.runs(sweep, scale, tasks), self.results)

    def load_all_tasks(self, sweep: Sweep, scale: str) -> pd.DataFrame:
        """Load one row for each run on all tasks of a sweep, including those that the scale leaves out."""
        return self.load(sweep, scale, sweep.tasks)

    def nothing(self, sweep: str, scale: str | None = None) -> str:
        """Explain that there is nothing to show, and name the command that runs the sweep."""
        if not is_folder(self.results):
            return f"there is no folder {self.results}; sweeps write to RESULTS=output unless they are told otherwise"
        results = "" if str(self.results) == DEFAULT_RESULTS else f" RESULTS={self.results}"
        at, option = (f" at scale {scale}", f" SCALE={scale}") if scale else ("", "")
        return f"no finished run{at} in {self.results}; run: make sweep SWEEP={sweep}{option}{self.options}{results}"

    @property
    def options(self) -> str:
        """The request as options of ``make sweep``."""
        seeds = "" if self.seeds is None else f" SEEDS={self.seeds}"
        return seeds if self.source == GENERATED else f"{seeds} SOURCE={self.source}"

    @property
    def suffix(self) -> str:
        """The request as a suffix of file names."""
        return "" if self.source == GENERATED else f"_{self.source}"


def add_options(parser: argparse.ArgumentParser, scale: str) -> None:
    """Add the options that select results. ``scale`` describes the default of ``--scale``."""
    parser.add_argument(
        "--results",
        metavar="DIR",
        default=DEFAULT_RESULTS,
        help="where the runs are: a folder or s3://... (default: %(default)s)",
    )
    parser.add_argument("--scale", metavar="S", help=f"default: {scale}")
    parser.add_argument("--seeds", metavar="N", type=int, help="seeds a cell (default: the scale's)")
    parser.add_argument("--source", metavar="S", default=GENERATED, help=f"of the episodes (default: {GENERATED})")


def results_request(options: argparse.Namespace) -> ResultsRequest:
    """Build the request from the options. Raises :class:`UserError` for an invalid source, number of seeds or path."""
    check_source(options.source)
    if options.seeds is not None and options.seeds < 1:
        raise UserError(f"seeds = {options.seeds} is not valid; it must be a whole number of at least 1")
    return ResultsRequest(storage_path(options.results), options.source, options.seeds)


def check_choice(what: str, value: str, valid: Iterable[str]) -> None:
    """Raise :class:`UserError`, which lists the valid values, unless the value is one of them."""
    if value not in (names := list(valid)):
        raise UserError(f"there is no {what} {value!r}; the valid ones are: {', '.join(names)}")
