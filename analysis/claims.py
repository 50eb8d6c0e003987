"""Judge the papers' claims by the finished runs: ``python analysis/claims.py --help``."""

from __future__ import annotations

import argparse
import json
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_start.py")))

from analysis.frames.benchmarks import BENCHMARKS
from analysis.frames.request import add_options, check_choice, results_request
from analysis.verdicts import text
from analysis.verdicts.claims import CLAIMS
from analysis.verdicts.judge import judge
from smore_sweep.discovery import load_sweep
from smore_sweep.errors import UserError
from smore_sweep.exit_codes import INCOMPLETE, REFUSED

FORMATS = ("terminal", "markdown", "json")


def main(argv: Sequence[str] | None = None) -> int:
    """Print the verdicts. Returns 1 if no claim has a finished run, 2 if the request is wrong."""
    parser = argparse.ArgumentParser(
        description="The claims of a benchmark's paper, and what the finished runs say about each."
    )
    add_options(parser, "the sweeps' own")
    parser.add_argument(
        "--benchmark", metavar="B", default="smore", help=f"one of {', '.join(BENCHMARKS)} (default: %(default)s)"
    )
    parser.add_argument("--format", default="terminal", help=f"one of {', '.join(FORMATS)} (default: terminal)")
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    options = parser.parse_args(argv)
    try:
        check_choice("format", options.format, FORMATS)
        check_choice("benchmark", options.benchmark, BENCHMARKS)
        claims = [claim for claim in CLAIMS if claim.benchmark == options.benchmark]
        scale = load_sweep(claims[0].sweep).scale(options.scale)
        about = results_request(options)
        verdicts = [judge(claim, about.load_for_claims(load_sweep(claim.sweep), scale)) for claim in claims]
    except UserError as error:
        print(error, file=sys.stderr)
        return REFUSED
    if not any(verdict.runs for verdict in verdicts):
        first, *others = dict.fromkeys(claim.sweep for claim in claims)
        more = f"  (or: {', '.join(others)})" if others else ""
        print(f"{about.nothing(first, scale)}{more}", file=sys.stderr)
        return INCOMPLETE
    if options.format == "terminal":
        text.show(verdicts)
    elif options.format == "markdown":
        print(text.markdown(verdicts), end="")
    else:
        print(json.dumps([text.record(verdict) for verdict in verdicts], indent=2, allow_nan=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
