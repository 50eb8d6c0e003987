"""The paper's tables, and one for each sweep that is none of them: ``python analysis/tables.py --help``.

Every format is a function of one frame, with one row per expected run (:mod:`analysis.frames.runs`): what is missing
shows."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    # A script's first path is its own folder, but `analysis` and `sweeps` live one above.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from analysis.entry import start

    start()

import pandas as pd
from rich.console import Console
from rich.table import Table

from analysis.frames.cells import Cell
from analysis.frames.metrics import DEFAULT_METRIC, METRICS
from analysis.frames.rank_agreement import agreements
from analysis.frames.request import ResultsRequest, add_options, check_choice, results_request
from analysis.paper.tables import PAPER_TABLES, PaperTable
from analysis.rendering import latex as tex
from analysis.rendering import markdown as md
from analysis.rendering import terminal as rich_table
from analysis.rendering.layout import Layout, layout
from analysis.selection import TUNING
from smore_sweep.errors import UserError
from smore_sweep.planning.plan import load_sweep, sweep_names
from smore_sweep.spec import Sweep
from smore_sweep.storage.atomic import atomic_write
from smore_sweep.storage.paths import is_folder

FORMATS = ("latex", "markdown", "csv", "terminal")


@dataclass(frozen=True)
class Request:
    """A table to make: one of the paper's, or a sweep's own."""

    sweep: Sweep
    scale: str
    metric: str
    table: PaperTable | None = None

    @property
    def title(self) -> str:
        """In words."""
        return self.table.title if self.table else self.sweep.description

    @property
    def name(self) -> str:
        """In file names and in the CSV format."""
        return f"table_{int(self.table.number):02}" if self.table else self.sweep.name

    @property
    def stem(self) -> str:
        """Of its file's name."""
        usual = self.table.metric if self.table else DEFAULT_METRIC
        return f"{self.name}_{self.scale}" + ("" if self.metric == usual else f"_{self.metric}")

    @property
    def shows(self) -> tuple[object, ...]:
        """Equal for two tables that would show the same numbers."""
        table = self.table
        columns = (tuple(table.labels), tuple(table.shares)) if table else ()
        return (self.sweep.name, self.scale, self.metric, columns)


def terminal(frame: pd.DataFrame, metric: str, title: str) -> Table:
    """One line a cell, in at most 100 columns."""
    return rich_table.table(layout(frame, metric, title))


def csv(tables: Iterable[tuple[str, Layout]]) -> str:
    """One line a cell of the named tables, with all that the other formats show."""
    records = [record for name, shown in tables for record in _records(name, shown)]
    return str(pd.DataFrame(records).to_csv(index=False, float_format="%.6g"))


def main(argv: Sequence[str] | None = None) -> int:
    """Print or write the tables asked for. Returns 1 if there is no finished run, 2 if the request is wrong."""
    options = _parser().parse_args(argv)
    if options.table:  # "2,9" is "2 9"
        options.table = [number for given in options.table for number in given.split(",") if number]
    try:
        about, requests = results_request(options), _requests(options)
        found = _finished(requests, about)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    style = {"holm": options.holm, "compare": options.compare}
    made = [
        (request, layout(frame, request.metric, request.title, table=request.table, **style))
        for request, frame in found
    ]
    if not made:
        named = requests[0].sweep.name if options.table or options.scale else "quickstart"
        print(about.nothing(options.sweep[0] if options.sweep else named, options.scale), file=sys.stderr)
        return 1
    if options.format == "latex":
        _write_latex(made, about.suffix, Path(options.output))
    elif options.format == "csv":
        print(csv((request.name, shown) for request, shown in made), end="")
    else:
        for _, shown in made:
            if options.format == "markdown":
                print(md.table(shown))
            else:
                Console(width=None if sys.stdout.isatty() else rich_table.width(shown)).print(rich_table.table(shown))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="The paper's tables from our runs, beside the published numbers.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--table", nargs="+", metavar="N", help="tables of the paper (default: all with a finished run)")
    which.add_argument("--sweep", nargs="+", metavar="NAME", help="the tables of these sweeps")
    add_options(parser, "every scale that has a finished run")
    parser.add_argument("--format", default="latex", help=f"one of {', '.join(FORMATS)} (default: latex)")
    parser.add_argument("--metric", help=f"one of {', '.join(METRICS)} (default: what the paper's table prints)")
    parser.add_argument("--holm", action="store_true", help="correct each table's tests for their number")
    parser.add_argument(
        "--compare", action="store_true", help="ratios to the published means, and whether the methods' orders agree"
    )
    parser.add_argument("--output", metavar="DIR", default="tables", help="where LaTeX is written (default: tables)")
    return parser


def _requests(options: argparse.Namespace) -> list[Request]:
    """The tables to make, or a :class:`UserError` that lists the valid values."""
    check_choice("format", options.format, FORMATS)
    if options.metric:
        check_choice("metric", options.metric, METRICS)
    for number in options.table or ():
        check_choice("table", number, PAPER_TABLES)
    if options.table:
        tables = {number: PAPER_TABLES[number] for number in options.table}
        wanted: list[tuple[Sweep, PaperTable | None]] = [(load_sweep(t.sweep), t) for t in tables.values()]
    else:
        names = options.sweep or [name for name in sweep_names() if name not in TUNING]  # model selection is no result
        wanted = [pair for name in dict.fromkeys(names) for pair in _tables_of(load_sweep(name))]
        wanted.sort(key=lambda pair: int(pair[1].number) if pair[1] else math.inf)
    if options.scale and not (options.sweep or options.table):
        check_choice("scale", options.scale, dict.fromkeys(scale for sweep, _ in wanted for scale in sweep.scales))
        wanted = [(sweep, table) for sweep, table in wanted if options.scale in sweep.scales]
    requests = [
        Request(sweep, scale, options.metric or (table.metric if table else DEFAULT_METRIC), table)
        for sweep, table in wanted
        for scale in ([sweep.scale(options.scale)] if options.scale else sweep.scales)
    ]
    distinct: dict[tuple[object, ...], Request] = {}
    for request in requests:  # with --metric, Tables 1, 10 and 11 are one
        distinct.setdefault(request.shows, request)
    return list(distinct.values())


def _tables_of(sweep: Sweep) -> list[tuple[Sweep, PaperTable | None]]:
    """The tables of the paper that a sweep yields, or else one of its own."""
    return [(sweep, table) for table in PAPER_TABLES.values() if table.sweep == sweep.name] or [(sweep, None)]


def _finished(requests: Sequence[Request], about: ResultsRequest) -> list[tuple[Request, pd.DataFrame]]:
    """The tables that have a finished run, each with one row per expected run of its sweep."""
    if not is_folder(about.results):
        return []
    frames: dict[tuple[str, str], pd.DataFrame] = {}
    found = []
    for request in requests:
        key = (request.sweep.name, request.scale)
        if key not in frames:
            frames[key] = about.load(request.sweep, request.scale)
        frame = request.table.select(frames[key]) if request.table else frames[key]
        if (frame["status"] == "done").any():
            found.append((request, frame))
    return found


def _write_latex(made: Sequence[tuple[Request, Layout]], own: str, folder: Path) -> None:
    tables = {folder / f"{request.stem}{own}.tex": tex.table(shown) for request, shown in made}
    for path, text in {**tables, folder / f"all{own}.tex": tex.document(tables.values())}.items():
        with atomic_write(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
        print(path)


def _records(name: str, shown: Layout) -> list[dict[str, object]]:
    found = agreements(shown.cells)
    records = []
    for cell in shown.cells:
        printed = cell.published
        record = {
            "table": name,
            "scale": shown.scale,
            "source": shown.source,
            "metric": shown.metric,
            **_record(cell),
            "published_mean": printed.mean if printed else math.nan,
            "published_std": printed.std if printed else math.nan,
            "published_doubtful": printed.doubtful if printed else False,
        }
        if shown.compare:
            agreement = found.get((cell.task, cell.column[0]))
            record |= {
                "ratio": cell.ratio,
                "tau": agreement.tau if agreement else math.nan,
                "order": agreement.order if agreement else "",
            }
        records.append(record)
    return records


def _record(cell: Cell) -> dict[str, object]:
    names = ("mean", "std", "seeds", "expected", "diverged", "partial", "missing", "best", "p", "star")
    return {
        "task": cell.task,
        "expert_share": cell.expert_share,
        "method": cell.label,
        **{name: getattr(cell, name) for name in names},
    }


if __name__ == "__main__":
    sys.exit(main())
