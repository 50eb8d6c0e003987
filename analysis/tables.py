"""The paper's tables, and one for each sweep that yields none of them: ``python analysis/tables.py --help``.

Every format is a function of one frame, with one row per expected run (:mod:`analysis.frames.runs`), so gaps show.
"""

from __future__ import annotations

import argparse
import json
import math
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_start.py")))

from rich.console import Console

from analysis._output import writing
from analysis.frames.benchmarks import BENCHMARKS, benchmark, usual_metrics
from analysis.frames.metrics import METRICS
from analysis.frames.model_selection import TUNING
from analysis.frames.request import ResultsRequest, add_choices, add_options, check_choice, results_request
from analysis.frames.series import declared, series_names
from analysis.frames.table_request import TableRequest, finished, of_sweep, tables_of
from analysis.paper.tables import PAPER_TABLES, PaperTable
from analysis.rendering import csv, latex, markdown, records, terminal
from analysis.rendering.layout import WIDEST, Layout, layout
from smore_sweep.discovery import load_sweep, sweep_names
from smore_sweep.errors import UserError
from smore_sweep.exit_codes import INCOMPLETE, REFUSED
from smore_sweep.spec import Sweep

FORMATS = ("latex", "markdown", "csv", "terminal", "json")


def main(argv: Sequence[str] | None = None) -> int:
    """Print or write the tables. Returns 1 if there is no finished run, 2 if the request is wrong."""
    options = _parser().parse_args(argv)
    if options.table:  # "2,9" is "2 9"
        options.table = [number for group in options.table for number in group.split(",") if number]
    try:
        return _show(options, results_request(options))
    except UserError as error:
        print(error, file=sys.stderr)
        return REFUSED


def _show(options: argparse.Namespace, about: ResultsRequest) -> int:
    requests = _requests(options, about)
    tables = [
        (
            request,
            layout(
                frame,
                request.metric,
                request.title,
                table=request.table,
                holm=options.holm,
                compare=options.compare,
                names=series_names(declared(request.sweep)),
                widest=latex.TURNED if options.format == "latex" else WIDEST,
            ),
        )
        for request, frame in finished(requests, about)
    ]
    if not tables:
        chosen = options.table or options.scale or options.benchmark
        named = requests[0].sweep.name if chosen else "quickstart"
        print(about.nothing(options.sweep[0] if options.sweep else named, options.scale), file=sys.stderr)
        return INCOMPLETE
    shown = {request.sweep.name for request, _ in tables}
    for name in dict.fromkeys(request.sweep.name for request in requests if options.sweep):
        if name not in shown:
            print(about.nothing(name, options.scale), file=sys.stderr)
    if options.format == "latex":
        _write_latex(tables, about.suffix, Path(options.output))
    elif options.format == "csv":
        print(csv.tables((request.name, table) for request, table in tables), end="")
    elif options.format == "json":
        named_tables = ((request.name, table) for request, table in tables)
        print(json.dumps(records.tables(named_tables), indent=2, allow_nan=False))
    elif options.format == "markdown":
        for _, table in tables:
            print(markdown.table(table))
    else:
        for _, table in tables:
            Console(width=None if sys.stdout.isatty() else terminal.width(table)).print(terminal.table(table))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="The paper's tables from our runs, beside the published numbers.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--table", nargs="+", metavar="N", help="tables of the paper (default: all with a finished run)")
    which.add_argument("--sweep", nargs="+", metavar="NAME", help="the tables of these sweeps")
    which.add_argument("--benchmark", metavar="B", help=f"the tables of a benchmark: {' or '.join(BENCHMARKS)}")
    add_options(parser, "every scale that has a finished run")
    add_choices(parser)
    parser.add_argument("--format", default="latex", help=f"one of {', '.join(FORMATS)} (default: latex)")
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    parser.add_argument("--metric", help=f"one of {', '.join(METRICS)} (default: what the paper's table prints)")
    parser.add_argument("--holm", action="store_true", help="correct each table's tests for their number")
    parser.add_argument(
        "--compare", action="store_true", help="ratios to the published means, and whether the methods' orders agree"
    )
    parser.add_argument("--output", metavar="DIR", default="tables", help="where LaTeX is written (default: tables)")
    return parser


def _requests(options: argparse.Namespace, about: ResultsRequest) -> list[TableRequest]:
    """List the tables to make. Raises :class:`UserError`, which lists the valid values, for a wrong option."""
    check_choice("format", options.format, FORMATS)
    if options.metric:
        check_choice("metric", options.metric, METRICS)
    if options.benchmark:
        check_choice("benchmark", options.benchmark, BENCHMARKS)
    for number in options.table or ():
        check_choice("table", number, PAPER_TABLES)
    if options.table:
        printed = [PAPER_TABLES[number] for number in dict.fromkeys(options.table)]
        named = [(load_sweep(table.sweep), table) for table in printed]
        wanted: list[tuple[Sweep, PaperTable | None]] = [(sweep, of_sweep(table, sweep)) for sweep, table in named]
    else:
        names = options.sweep or [name for name in sweep_names() if name not in TUNING]  # model selection is no result
        sweeps = [about.choices.apply(load_sweep(name)) for name in dict.fromkeys(names)]
        if options.benchmark:
            sweeps = [sweep for sweep in sweeps if benchmark(sweep.tasks) == options.benchmark]
        wanted = [(sweep, table) for sweep in sweeps for table in tables_of(sweep)]
        wanted.sort(key=lambda pair: int(pair[1].number) if pair[1] else math.inf)
    if options.scale and not (options.sweep or options.table):
        check_choice("scale", options.scale, dict.fromkeys(scale for sweep, _ in wanted for scale in sweep.scales))
        wanted = [(sweep, table) for sweep, table in wanted if options.scale in sweep.scales]
    requests = [
        TableRequest(sweep, scale, metric, table, tasks)
        for sweep, table in wanted
        for scale in ([sweep.scale(options.scale)] if options.scale else sweep.scales)
        for metric, tasks in _metrics(sweep, table, options.metric)
    ]
    distinct: dict[tuple[object, ...], TableRequest] = {}
    for request in requests:  # with --metric, Tables 1, 10 and 11 are one
        distinct.setdefault(request.content, request)
    return list(distinct.values())


def _metrics(sweep: Sweep, table: PaperTable | None, asked: str | None) -> list[tuple[str, tuple[str, ...]]]:
    """List the metrics of a sweep's or a paper's tables, each with the tasks of its table; none for all."""
    if asked:
        return [(asked, ())]
    if table:
        return [(table.metric, ())]
    usual = usual_metrics(sweep.tasks)
    return [(metric, tuple(tasks) if len(usual) > 1 else ()) for metric, tasks in usual.items()]


def _write_latex(tables: Sequence[tuple[TableRequest, Layout]], suffix: str, folder: Path) -> None:
    texts = {folder / f"{request.stem}{suffix}.tex": latex.table(table) for request, table in tables}
    for path, text in {**texts, folder / f"all{suffix}.tex": latex.document(texts.values())}.items():
        with writing(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    sys.exit(main())
