"""Write RESULTS.md from the finished runs: ``python analysis/results.py --help``."""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_start.py")))

from analysis.frames.request import add_options, results_request
from analysis.reports.results_page import finished, page
from analysis.verdicts.claims import CLAIMS
from smore_sweep.discovery import load_sweep
from smore_sweep.errors import UserError
from smore_sweep.storage.atomic import atomic_write

SCALES = ("laptop", "workstation", "paper")
"""The scales whose results are shown; smoke only tests the machinery."""
COMMENTARY = Path(__file__).with_name("commentary.md")


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page. Returns 1 if there is no finished run, 2 if the request is wrong."""
    parser = argparse.ArgumentParser(description="Write RESULTS.md: claims, commentary, tables, provenance.")
    add_options(parser, f"those of {', '.join(SCALES)} that have a finished run")
    parser.add_argument("--output", metavar="FILE", default="RESULTS.md", help="default: RESULTS.md")
    options = parser.parse_args(argv)
    try:
        about = results_request(options)
        wanted = [load_sweep(CLAIMS[0].sweep).scale(options.scale)] if options.scale else SCALES
        scales = {scale: frames for scale in wanted if (frames := finished(about, scale))}
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    if not scales:
        print(about.nothing(CLAIMS[0].sweep, options.scale), file=sys.stderr)
        return 1
    path = Path(options.output)
    with atomic_write(path) as unfinished:
        unfinished.write_text(page(scales, COMMENTARY.read_text("utf-8") if COMMENTARY.exists() else ""), "utf-8")
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
