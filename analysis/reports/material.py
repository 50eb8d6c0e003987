"""Material of a sweep's page: everything that a results folder holds about the sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.frames.request import ResultsRequest
from analysis.plots.registry import FIGURES, gather
from smore_sweep.results.record import Summary
from smore_sweep.run_spec import RunSpec
from smore_sweep.spec import Sweep


@dataclass(frozen=True)
class Material:
    """The frames and records of a sweep at one scale.

    ``frame`` has one row per expected run (:func:`analysis.frames.runs.load`), ``all_tasks`` the same for all tasks
    that the sweep has at any scale, by which claims are judged (None if the sweep is changed: they are about the
    declared one), and ``curves`` one per evaluation. ``summaries`` are
    those of the runs that have one, by run id; ``figures`` the frames of the sweep's own figures
    (:func:`analysis.plots.registry.gather`), by name; ``command`` the options of ``make sweep`` and ``make report``.
    """

    sweep: Sweep
    runs: Sequence[RunSpec]
    frame: pd.DataFrame
    curves: pd.DataFrame
    summaries: Mapping[str, Summary]
    figures: Mapping[str, pd.DataFrame]
    command: str
    all_tasks: pd.DataFrame | None

    @property
    def scale(self) -> str:
        """The one scale of all runs."""
        return self.runs[0].scale

    @property
    def source(self) -> str:
        """The one source of the episodes of all runs."""
        return self.runs[0].source


def collect(sweep: Sweep, scale: str, about: ResultsRequest) -> Material:
    """Read the material of a sweep, with the choices applied, from a results folder or an archive."""
    from analysis.frames.runs import curves, load, summaries

    runs = about.runs(sweep, scale)
    own = [name for name, spec in FIGURES.items() if spec.title and spec.sweeps == (sweep.name,)]
    return Material(
        sweep,
        runs,
        load(runs, about.results),
        curves(runs, about.results),
        summaries(runs, about.results),
        {name: gather(name, [sweep], scale, about) for name in own},
        f"SWEEP={sweep.name} SCALE={scale}{about.options}",
        None if about.changes_runs else about.load_for_claims(sweep, scale),
    )
