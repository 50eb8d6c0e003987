"""Judge the paper's claims by the finished runs: ``python analysis/claims.py --help``."""

from __future__ import annotations

import argparse
import json
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_start.py")))

from analysis.frames.request import add_options, check_choice, results_request
from analysis.verdicts import text
from analysis.verdicts.claims import CLAIMS
from analysis.verdicts.judge import judge
from smore_sweep.discovery import load_sweep
from smore_sweep.errors import UserError
from smore_sweep.spec import DEFAULT_SCALE

FORMATS = ("terminal", "markdown", "json")


def main(argv: Sequence[str] | None = None) -> int:
    """Print the verdicts. Returns 1 if no claim has a finished run, 2 if the request is wrong."""
    parser = argparse.ArgumentParser(description="The paper's claims, and what the finished runs say about each.")
    add_options(parser, DEFAULT_SCALE)
    parser.add_argument("--format", default="terminal", help=f"one of {', '.join(FORMATS)} (default: terminal)")
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    options = parser.parse_args(argv)
    try:
        check_choice("format", options.format, FORMATS)
        scale = options.scale or DEFAULT_SCALE
        about = results_request(options)
        verdicts = [judge(claim, about.load_all_tasks(load_sweep(claim.sweep), scale)) for claim in CLAIMS]
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    if not any(verdict.runs for verdict in verdicts):
        others = ", ".join(claim.sweep for claim in CLAIMS[1:])
        print(f"{about.nothing(CLAIMS[0].sweep, scale)}  (or: {others})", file=sys.stderr)
        return 1
    if options.format == "terminal":
        text.show(verdicts)
    elif options.format == "markdown":
        print(text.markdown(verdicts), end="")
    else:
        print(json.dumps([text.record(verdict) for verdict in verdicts], indent=2, allow_nan=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
