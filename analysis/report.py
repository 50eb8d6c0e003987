"""Write a sweep's results as one HTML page: ``python analysis/report.py --help``."""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_start.py")))

from analysis._output import writing
from analysis.frames.request import add_choices, add_options, results_request
from analysis.reports.material import collect
from analysis.reports.sweep_report import page
from smore_sweep.discovery import load_sweep
from smore_sweep.errors import UserError
from smore_sweep.exit_codes import INCOMPLETE, REFUSED
from smore_sweep.results.record import DONE


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page. Returns 1 if there is no finished run, 2 if the request is wrong."""
    parser = argparse.ArgumentParser(description="A sweep as one HTML page: results, claims, curves, cost, provenance.")
    parser.add_argument("--sweep", metavar="NAME", required=True, help="a file of sweeps/, without .py, or a .py file")
    add_options(parser, "the sweep's own")
    add_choices(parser)
    parser.add_argument("--output", metavar="DIR", default="reports", help="where to write (default: reports)")
    options = parser.parse_args(argv)
    try:
        about = results_request(options)
        sweep = about.choices.apply(load_sweep(options.sweep))
        scale = sweep.scale(options.scale)
        material = collect(sweep, scale, about)
        if not (material.frame["status"] == DONE).any():
            print(about.nothing(options.sweep, scale), file=sys.stderr)
            return INCOMPLETE
        path = Path(options.output) / f"{sweep.name}_{scale}{about.suffix}.html"
        with writing(path) as unfinished:
            unfinished.write_text(page(material), encoding="utf-8")
    except UserError as error:
        print(error, file=sys.stderr)
        return REFUSED
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
