"""Draw the figures of finished sweeps: ``python analysis/figures.py --help``."""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_start.py")))

import pandas as pd

from analysis.frames.benchmarks import usual_metrics
from analysis.frames.metrics import DEFAULT_METRIC, METRICS
from analysis.frames.request import ResultsRequest, add_choices, add_options, check_choice, results_request
from analysis.plots import files
from analysis.plots.points import NothingToDrawError
from analysis.plots.registry import FIGURES, Draw, draw, gather
from analysis.plots.sweeps import CURVES, axes_of, check_axis, figure_of
from smore_sweep.discovery import load_sweep
from smore_sweep.errors import UserError
from smore_sweep.exit_codes import REFUSED
from smore_sweep.run_spec import RunSpec
from smore_sweep.spec import Sweep


@dataclass(frozen=True)
class _Figure:
    """A figure to write: its name, its metric and what the file's name says of that, the sweeps that it is made of, and
    its content at a scale."""

    name: str
    metric: str
    suffix: str
    sweeps: Sequence[str]
    scales: Sequence[str]
    content: Callable[[str], tuple[Draw, pd.DataFrame]]


def main(argv: Sequence[str] | None = None) -> int:
    """Write the figures. Returns 1 if there is nothing to draw, 2 if the request is wrong."""
    options = _parser().parse_args(argv)
    written = False
    try:
        if options.metric:
            check_choice("metric", options.metric, METRICS)
        if options.x and not options.sweep:
            raise UserError(f"--x {options.x} needs --sweep, the sweep that varies it")
        about = results_request(options)
        figures = _of_sweeps(options, about) if options.sweep else _of_the_paper(options, about)
        for figure in figures:
            wanted = [scale for scale in figure.scales if options.scale in (None, scale)]
            if not wanted:
                print(f"{figure.name}: its sweep has no scale {options.scale!r}", file=sys.stderr)
            for path in _write(figure, wanted, options, about):
                print(path)
                written = True
    except UserError as error:
        print(error, file=sys.stderr)
        return REFUSED
    return 0 if written else 1


def _of_the_paper(options: argparse.Namespace, about: ResultsRequest) -> list[_Figure]:
    names = list(dict.fromkeys(options.figure or FIGURES))
    for name in names:
        check_choice("figure", name, FIGURES)

    def figure(name: str) -> _Figure:
        spec = FIGURES[name]
        sweeps = [load_sweep(sweep) for sweep in spec.sweeps]
        metric = options.metric or DEFAULT_METRIC

        def content(scale: str) -> tuple[Draw, pd.DataFrame]:
            return spec.draw, gather(name, sweeps, scale, about)

        return _Figure(name, metric, "", spec.sweeps, list(sweeps[0].scales), content)

    figures = [figure(name) for name in names]
    scales = list(dict.fromkeys(scale for figure in figures for scale in figure.scales))
    check_choice("scale", options.scale or scales[0], scales)
    return figures


def _of_sweeps(options: argparse.Namespace, about: ResultsRequest) -> list[_Figure]:
    figures = []
    for name in dict.fromkeys(options.sweep):
        sweep = about.choices.apply(load_sweep(name))
        scales = [sweep.scale(options.scale)] if options.scale else list(sweep.scales)
        runs = {scale: about.runs(sweep, scale) for scale in scales}
        if options.x:
            check_axis(sweep, options.x, list(dict.fromkeys(axis for own in runs.values() for axis in axes_of(own))))
        tasks: dict[tuple[str, str], dict[str, Sequence[str]]] = {}  # a scale's tasks and axes are its own
        for scale, own in runs.items():
            for metric, named in _by_metric(own, options.metric).items():
                for axis in (CURVES, *axes_of([run for run in own if run.task in named])):
                    if options.x in (None, axis):
                        tasks.setdefault((metric, axis), {})[scale] = named
        figures += [_of_sweep(name, sweep, axis, metric, part, about) for (metric, axis), part in tasks.items()]
    return figures


def _by_metric(runs: Sequence[RunSpec], metric: str | None) -> dict[str, list[str]]:
    """The tasks of each figure: all of them for a given metric, else those of each usual one."""
    tasks = list(dict.fromkeys(run.task for run in runs))
    return {metric: tasks} if metric else usual_metrics(tasks)


def _of_sweep(
    name: str, sweep: Sweep, axis: str, metric: str, tasks: Mapping[str, Sequence[str]], about: ResultsRequest
) -> _Figure:
    """A figure of a sweep, on the tasks of each scale."""

    def content(scale: str) -> tuple[Draw, pd.DataFrame]:
        drawing, frame = figure_of(sweep, scale, axis, about)
        return drawing, frame[frame["task"].isin(tasks[scale])]

    suffix = "" if metric == next(iter(usual_metrics(sweep.tasks))) else f"_{metric}"
    return _Figure(f"{sweep.name}_{axis}", metric, suffix, [name], list(tasks), content)


def _write(
    figure: _Figure, scales: Sequence[str], options: argparse.Namespace, about: ResultsRequest
) -> Iterator[Path]:
    """Draw and write a figure at each scale; say why if there is none."""
    lacking: dict[str, list[str]] = {}
    for scale in scales:
        try:
            drawn = draw(*figure.content(scale), figure.metric)
        except NothingToDrawError as error:
            lacking.setdefault(str(error), []).append(scale)
            continue
        path = Path(options.output) / f"{figure.name}_{scale}{figure.suffix}{about.suffix}"
        yield from files.write(drawn, path, plain=options.plain)
    if lacking and sum(map(len, lacking.values())) == len(scales):
        commands = "; ".join(f"make sweep SWEEP={sweep}{about.options}" for sweep in figure.sweeps)
        reasons = ", ".join(
            reason + (f" ({', '.join(at)})" if len(lacking) > 1 else "") for reason, at in lacking.items()
        )
        print(f"{figure.name}: {reasons} in {options.results}; run: {commands}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Figures of finished sweeps, as PDF and PNG.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--figure", nargs="+", metavar="NAME", help=f"of {', '.join(FIGURES)} (default: all)")
    which.add_argument(
        "--sweep", nargs="+", metavar="NAME", help="instead: of these sweeps (names of sweeps/, or .py files)"
    )
    parser.add_argument("--x", metavar="KNOB", help="with --sweep, only against this (default: curves and each knob)")
    parser.add_argument("--plain", action="store_true", help="write the small print into a .txt file beside the figure")
    add_options(parser, "every scale that has a finished run")
    add_choices(parser)
    parser.add_argument("--metric", help=f"one of {', '.join(METRICS)} (default: the headline metric of the tasks)")
    parser.add_argument("--output", metavar="DIR", default="figures", help="where to write (default: figures)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
