"""The figures by name: from which sweeps each is made, and how it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.frames.metrics import METRICS
from analysis.frames.request import ResultsRequest
from analysis.plots import comparison, lines, style
from smore_sweep.run_spec import RunSpec
from smore_sweep.spec import Sweep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[pd.DataFrame, str, np.random.Generator], "Figure"]
"""Draw a metric of a frame. Each figure shows in its footer which runs are missing."""

SEED = 0
"""Seed of the bootstrap, so that equal results give equal figures."""


@dataclass(frozen=True)
class FigureSpec:
    """A figure of one or several sweeps. ``title`` heads it on the page of its sweep, if it has a place there; ``knob``
    is on its horizontal axis; ``curves``: it shows every evaluation and not only the last."""

    sweeps: tuple[str, ...]
    draw: Draw
    title: str = ""
    knob: str = ""
    curves: bool = False


FIGURES = {
    "learning_curves": FigureSpec(("main",), lines.learning_curves, curves=True),
    "learning_curves_coverage": FigureSpec(("coverage_methods",), lines.learning_curves, curves=True),
    "noise": FigureSpec(("noise",), lines.noise, "Return against the noise on actions"),
    "coverage": FigureSpec(("main", "coverage_methods"), lines.coverage),
    "beta": FigureSpec(
        ("mixture_ratio",),
        partial(lines.sensitivity, label="mixture ratio β", published="9"),
        "Sensitivity to the mixture ratio",
        knob="beta",
    ),
    "her": FigureSpec(
        ("her_ratio",),
        partial(lines.sensitivity, label="share of hindsight goals"),
        "Sensitivity to the share of hindsight goals",
        knob="her_ratio",
    ),
    "her_methods": FigureSpec(
        ("tuning",),
        partial(lines.sensitivity, label="share of hindsight goals"),
        "Sensitivity to the share of hindsight goals, all methods",
        knob="her_ratio",
    ),
    "learning_rate": FigureSpec(
        ("learning_rate",), partial(lines.sensitivity, label="learning rate"), knob="learning_rate"
    ),
    "expectile": FigureSpec(
        ("expectile",),
        partial(lines.sensitivity, label="expectile"),
        "Sensitivity to the expectile",
        knob="expectile",
    ),
    "improvement": FigureSpec(
        ("main",), comparison.improvement, "Probability that a seed of one method is better than one of another"
    ),
    "profiles": FigureSpec(("main",), comparison.profiles, "Performance profiles"),
}


def draw(figure: Draw, frame: pd.DataFrame, metric: str) -> Figure:
    """Draw a figure in our style; equal frames give equal figures.

    Args:
        figure: The ``draw`` of an entry of :data:`FIGURES`, say.
        frame: One row per expected run or evaluation, as :func:`gather` returns it.

    Raises:
        NothingToDrawError: The figure would be empty.
        ValueError: The frame mixes scales.
    """
    with style.printed():
        return figure(frame, metric, np.random.default_rng(SEED))


def gather(name: str, sweeps: Iterable[Sweep], scale: str, about: ResultsRequest) -> pd.DataFrame:
    """Load the frame of a figure: one row per expected run of its sweeps, or one per evaluation of each.

    Args:
        name: Name of the figure.
        sweeps: Its sweeps, with the choices applied.
        scale: A scale that they have.
        about: Which results to draw.
    """
    from analysis.frames.runs import curves

    spec = FIGURES[name]
    frames = []
    for sweep in sweeps:
        runs = about.runs(sweep, sweep.scale(scale))
        frame = about.load(sweep, sweep.scale(scale))
        if spec.curves:
            frame = with_evaluations(frame, curves(runs, about.results))
        if spec.knob:
            values = {run.run_id: _knob(run, spec.knob) for run in runs}
            frame["value"] = frame["run_id"].map(values)
        frames.append(frame)
    union = pd.concat(frames, ignore_index=True)
    return union if spec.curves else union.drop_duplicates("run_id", ignore_index=True)


def with_evaluations(frame: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Replace the row of each run by one per evaluation, with the metrics then; runs without any keep one row."""
    evaluations = curves[["run_id", "update", *METRICS]]
    return frame.drop(columns=list(METRICS)).merge(evaluations, on="run_id", how="left")


def _knob(run: RunSpec, name: str) -> float:
    """The value of a run's knob, NaN if its method has none of that name."""
    return float(run.method.fields().get(name, float("nan")))
