"""A sweep as one HTML page: ``python analysis/report.py --help``.

The page is a function of what the results hold: the same results give the same bytes. It loads nothing from elsewhere.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from analysis.entry import start

    start()

from analysis import figures
from analysis.claims import whole_frame
from analysis.frames.request import ResultsRequest, add_options, results_request
from analysis.reports.sweep_report import FIGURE_TITLES, Material, page
from smore_sweep.discovery import load_sweep
from smore_sweep.errors import UserError
from smore_sweep.results.record import DONE
from smore_sweep.spec import Sweep
from smore_sweep.storage.atomic import atomic_write


def gather(sweep: Sweep, scale: str, about: ResultsRequest) -> Material:
    """All that a results folder, or one with exported results, holds about a sweep."""
    from analysis.frames.runs import curves, load, summaries

    runs = about.runs(sweep, scale)
    own = [name for name in FIGURE_TITLES if figures.FIGURES[name].sweeps == (sweep.name,)]
    return Material(
        sweep,
        runs,
        load(runs, about.results),
        curves(runs, about.results),
        summaries(runs, about.results),
        {name: figures.gather(name, scale, about) for name in own},
        f"SWEEP={sweep.name} SCALE={scale}{about.options}",
        whole_frame(sweep, about, scale),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page asked for. Returns 1 if there is no finished run, 2 if the request is wrong."""
    parser = argparse.ArgumentParser(description="A sweep as one HTML page: results, claims, curves, cost, provenance.")
    parser.add_argument("--sweep", metavar="NAME", required=True, help="a file of sweeps/, without .py, or a .py file")
    add_options(parser, "the sweep's own")
    parser.add_argument("--output", metavar="DIR", default="reports", help="where to write (default: reports)")
    options = parser.parse_args(argv)
    try:
        about = results_request(options)
        sweep = load_sweep(options.sweep)
        scale = sweep.scale(options.scale)
        of = gather(sweep, scale, about)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    if not (of.frame["status"] == DONE).any():
        print(about.nothing(sweep.name, scale), file=sys.stderr)
        return 1
    path = Path(options.output) / f"{sweep.name}_{scale}{about.suffix}.html"
    with atomic_write(path) as unfinished:
        unfinished.write_text(page(of), encoding="utf-8")
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
