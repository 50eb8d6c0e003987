"""Write RESULTS.md from the finished runs: ``python analysis/results.py --help``."""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_start.py")))

from analysis._output import writing
from analysis.frames.request import add_options, check_choice, results_request
from analysis.reports.results_page import finished, page
from analysis.verdicts.claims import CLAIMS
from smore_sweep.discovery import all_sweeps, load_sweep
from smore_sweep.errors import UserError
from smore_sweep.exit_codes import INCOMPLETE, REFUSED

COMMENTARY = Path(__file__).with_name("commentary.md")


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page. Returns 1 if there is no finished run, 2 if the request is wrong."""
    parser = argparse.ArgumentParser(description="Write RESULTS.md: claims, commentary, tables, provenance.")
    add_options(parser, "all that have a finished run")
    parser.add_argument("--output", metavar="FILE", default="RESULTS.md", help="default: RESULTS.md")
    options = parser.parse_args(argv)
    try:
        about = results_request(options)
        shown = shown_scales()
        if options.scale:
            check_choice("scale", options.scale, shown)
        wanted = [options.scale] if options.scale else shown
        scales = {scale: frames for scale in wanted if (frames := finished(about, scale))}
        if not scales:
            print(about.nothing(shown.get(options.scale, CLAIMS[0].sweep), options.scale), file=sys.stderr)
            return INCOMPLETE
        path = Path(options.output)
        with writing(path) as unfinished:
            unfinished.write_text(page(scales, COMMENTARY.read_text("utf-8") if COMMENTARY.exists() else ""), "utf-8")
    except UserError as error:
        print(error, file=sys.stderr)
        return REFUSED
    print(path)
    return 0


def shown_scales() -> dict[str, str]:
    """Return the scales of the shipped sweeps, each with a sweep that has it; the paper's come first.

    Smoke is none of them: it only tests the machinery.
    """
    having: dict[str, str] = {}
    for sweep in (load_sweep(CLAIMS[0].sweep), *all_sweeps(None)):
        for scale in sweep.scales:
            having.setdefault(scale, sweep.name)
    del having["smoke"]
    return having


if __name__ == "__main__":
    sys.exit(main())
