"""Draw the figures of finished sweeps: ``python analysis/figures.py --help``."""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_start.py")))

from analysis.frames.metrics import DEFAULT_METRIC, METRICS
from analysis.frames.request import ResultsRequest, add_options, check_choice, results_request
from analysis.plots import files
from analysis.plots.points import NothingToDrawError
from analysis.plots.registry import FIGURES, draw, gather
from smore_sweep.discovery import load_sweep
from smore_sweep.errors import UserError


def main(argv: Sequence[str] | None = None) -> int:
    """Write the figures. Returns 1 if there is nothing to draw, 2 if the request is wrong."""
    options = _parser().parse_args(argv)
    names = list(dict.fromkeys(options.figure or FIGURES))
    written = False
    try:
        for name in names:
            check_choice("figure", name, FIGURES)
        check_choice("metric", options.metric, METRICS)
        scales = list(dict.fromkeys(scale for name in names for scale in load_sweep(FIGURES[name].sweeps[0]).scales))
        check_choice("scale", options.scale or scales[0], scales)
        about = results_request(options)
        for name in names:
            own = load_sweep(FIGURES[name].sweeps[0]).scales
            wanted = [scale for scale in own if options.scale in (None, scale)]
            if not wanted:
                print(f"{name}: its sweep has no scale {options.scale!r}", file=sys.stderr)
            for path in _write(name, wanted, options, about):
                print(path)
                written = True
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if written else 1


def _write(name: str, scales: Sequence[str], options: argparse.Namespace, about: ResultsRequest) -> Iterator[Path]:
    """Draw and write a figure at each scale; say why if there is none."""
    lacking: dict[str, list[str]] = {}
    for scale in scales:
        try:
            figure = draw(FIGURES[name].draw, gather(name, scale, about), options.metric)
        except NothingToDrawError as error:
            lacking.setdefault(str(error), []).append(scale)
            continue
        yield from files.write(figure, Path(options.output) / f"{name}_{scale}{about.suffix}")
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
    metrics = f"one of {', '.join(METRICS)} (default: {DEFAULT_METRIC})"
    parser.add_argument("--metric", default=DEFAULT_METRIC, help=metrics)
    parser.add_argument("--output", metavar="DIR", default="figures", help="where to write (default: figures)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
