"""Figures of finished sweeps: ``python analysis/figures.py --help``.

Every figure is a function of one frame, with one row per expected run (:mod:`analysis.frames.runs`): what is missing
is said in the figure's footer.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from analysis.entry import start

    start()

import numpy as np
import pandas as pd

from analysis.frames.metrics import DEFAULT_METRIC, METRICS
from analysis.frames.request import ResultsRequest, add_options, check_choice, results_request
from analysis.plots import comparison, lines, style
from analysis.plots.points import NothingToDrawError
from smore_sweep.errors import UserError
from smore_sweep.planning.plan import load_sweep
from smore_sweep.spec import RunSpec
from smore_sweep.storage.atomic import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEED = 0
"""Of the bootstrap, so that equal results give equal figures."""


@dataclass(frozen=True)
class Kind:
    """One figure: from which sweeps, and how it is drawn. ``knob`` is what it is drawn against, ``curves`` whether it
    shows every evaluation and not only the last."""

    sweeps: tuple[str, ...]
    draw: Callable[[pd.DataFrame, str, np.random.Generator], Figure]
    knob: str = ""
    curves: bool = False


FIGURES = {
    "learning_curves": Kind(("main",), lines.learning_curves, curves=True),
    "learning_curves_coverage": Kind(("coverage_methods",), lines.learning_curves, curves=True),
    "noise": Kind(("noise",), lines.noise),
    "coverage": Kind(("main", "coverage_methods"), lines.coverage),
    "beta": Kind(("mixture_ratio",), partial(lines.sensitivity, label="mixture ratio β", published="9"), knob="beta"),
    "her": Kind(("her_ratio",), partial(lines.sensitivity, label="share of hindsight goals"), knob="her_ratio"),
    "her_methods": Kind(("tuning",), partial(lines.sensitivity, label="share of hindsight goals"), knob="her_ratio"),
    "learning_rate": Kind(
        ("learning_rate",), partial(lines.sensitivity, label="learning rate", spacing="log"), knob="learning_rate"
    ),
    "expectile": Kind(("expectile",), partial(lines.sensitivity, label="expectile"), knob="expectile"),
    "improvement": Kind(("main",), comparison.improvement),
    "profiles": Kind(("main",), comparison.profiles),
}


def draw(name: str, frame: pd.DataFrame, metric: str) -> Figure:
    """A figure of a frame as :func:`gather` gives it, always the same for the same frame.

    Raises :class:`NothingToDrawError` if there is nothing to show, :class:`ValueError` if the frame mixes scales."""
    with style.printed():
        return FIGURES[name].draw(frame, metric, np.random.default_rng(SEED))


def gather(name: str, scale: str, about: ResultsRequest) -> pd.DataFrame:
    """The frame of a figure: one row per expected run of its sweeps, or one per evaluation of each."""
    from analysis.frames.runs import curves

    kind = FIGURES[name]
    frames = []
    for sweep in map(load_sweep, kind.sweeps):
        runs = about.runs(sweep, sweep.scale(scale))
        frame = about.load(sweep, sweep.scale(scale))
        if kind.curves:
            evaluations = curves(runs, about.results)[["run_id", "update", *METRICS]]
            frame = frame.drop(columns=list(METRICS)).merge(evaluations, on="run_id", how="left")
        if kind.knob:
            values = {run.run_id: _knob(run, kind.knob) for run in runs}
            frame["value"] = frame["run_id"].map(values)
        frames.append(frame)
    whole = pd.concat(frames, ignore_index=True)
    return whole if kind.curves else whole.drop_duplicates("run_id", ignore_index=True)


def write(figure: Figure, path: Path) -> list[Path]:
    """The figure as PDF and PNG. Equal figures give equal bytes, and a reader never sees half a file."""
    written = []
    for kind, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
        target = path.with_name(f"{path.name}.{kind}")
        with style.printed(), atomic_write(target) as unfinished:
            figure.savefig(unfinished, format=kind, dpi=200, metadata=metadata)
        written.append(target)
    return written


def main(argv: Sequence[str] | None = None) -> int:
    """Write the figures asked for. Returns 1 if there is nothing to draw, 2 if the request is wrong."""
    options = _parser().parse_args(argv)
    names = list(dict.fromkeys(options.figure or FIGURES))
    try:
        for name in names:
            check_choice("figure", name, FIGURES)
        check_choice("metric", options.metric, METRICS)
        scales = list(dict.fromkeys(scale for name in names for scale in load_sweep(FIGURES[name].sweeps[0]).scales))
        check_choice("scale", options.scale or scales[0], scales)
        about, found = results_request(options), False
        for name in names:
            own = load_sweep(FIGURES[name].sweeps[0]).scales
            wanted = [scale for scale in own if options.scale in (None, scale)]
            if not wanted:
                print(f"{name}: its sweep has no scale {options.scale!r}", file=sys.stderr)
            for path in _written(name, wanted, options, about):
                print(path)
                found = True
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if found else 1


def _written(name: str, scales: Sequence[str], options: argparse.Namespace, about: ResultsRequest) -> Iterator[Path]:
    """Draw and write a figure at each scale; say why if there is none."""
    lacking: dict[str, list[str]] = {}
    for scale in scales:
        try:
            figure = draw(name, gather(name, scale, about), options.metric)
        except NothingToDrawError as error:
            lacking.setdefault(str(error), []).append(scale)
            continue
        yield from write(figure, Path(options.output) / f"{name}_{scale}{about.suffix}")
    if lacking and sum(map(len, lacking.values())) == len(scales):
        commands = "; ".join(f"make sweep SWEEP={sweep}{about.options}" for sweep in FIGURES[name].sweeps)
        reasons = ", ".join(
            reason + (f" ({', '.join(at)})" if len(lacking) > 1 else "") for reason, at in lacking.items()
        )
        print(f"{name}: {reasons} in {options.results}; run: {commands}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Figures of finished sweeps, as PDF and PNG.")
    parser.add_argument("--figure", nargs="+", metavar="NAME", help=f"of {', '.join(FIGURES)} (default: all)")
    add_options(parser, "every scale that has a finished run")
    parser.add_argument(
        "--metric", default=DEFAULT_METRIC, help=f"one of {', '.join(METRICS)} (default: {DEFAULT_METRIC})"
    )
    parser.add_argument("--output", metavar="DIR", default="figures", help="where to write (default: figures)")
    return parser


def _knob(run: RunSpec, name: str) -> float:
    """The value of a run's knob, NaN if its method has none of that name."""
    return float(run.method.fields().get(name, float("nan")))


if __name__ == "__main__":
    sys.exit(main())
