"""Tables of finished sweeps: ``python analysis/tables.py --help``.

Every format is a function of one frame, with one row per expected run (:mod:`analysis.results`): what is missing shows.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

if __name__ == "__main__":
    root = Path(__file__).resolve().parent.parent
    sys.path[0] = str(root)  # a script's first path is its own folder, but `analysis` and `sweeps` live one above
    python = root / ".venv" / "bin" / "python"
    # Typed outside the virtual environment: go on inside it, once.
    if not importlib.util.find_spec("pandas") and python.exists() and Path(sys.prefix).resolve() != root / ".venv":
        os.execv(python, [str(python), *sys.argv])

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis import latex as tex
from analysis import markdown as md
from analysis.cells import METRICS, Cell, cells
from analysis.layout import layout
from analysis.wording import number, percent, probability
from smore_sweep.method import SpecError
from smore_sweep.plan import load_sweep, sweep_names
from smore_sweep.spec import GENERATED, Sweep, check_source

FORMATS = ("latex", "markdown", "csv", "terminal")
WIDTH = 100
"""Columns that the terminal table needs, and gets where the output is no terminal."""


def latex(frame: pd.DataFrame, metric: str, title: str) -> str:
    """The paper's wide layout as one or more ``table`` floats."""
    return tex.table(layout(frame, metric, title))


def markdown(frame: pd.DataFrame, metric: str, title: str) -> str:
    """The paper's wide layout as pipe tables."""
    return md.table(layout(frame, metric, title))


def csv(frames: Iterable[tuple[str, pd.DataFrame]], metric: str) -> str:
    """One line a cell of the named frames, with all that the other formats show."""
    records = [_record(name, frame, cell, metric) for name, frame in frames for cell in cells(frame, metric)]
    return str(pd.DataFrame(records).to_csv(index=False, float_format="%.6g"))


def terminal(frame: pd.DataFrame, metric: str, title: str) -> Table:
    """One line a cell, in at most 100 columns."""
    shown = layout(frame, metric, title)
    made = Table(title=Text(shown.caption[0]), caption=Text(" ".join(shown.caption[1:])), caption_justify="left")
    for name in ("task", "expert", "method"):
        made.add_column(name)
    for name in ("mean ± std", "seeds", "p", "published"):
        made.add_column(name, justify="right", no_wrap=True)
    previous = None
    digits = METRICS[metric].digits
    for cell in cells(frame, metric):
        here = (cell.task, cell.expert_share)
        if previous not in (None, here):
            made.add_section()
        made.add_row(
            *(("", "") if previous == here else (cell.task, percent(cell.expert_share))),
            Text(cell.label),
            Text(number(cell.mean, cell.std, digits), style="bold" if cell.best else ""),
            f"{cell.seeds}/{cell.expected}" + (f" ({cell.diverged} diverged)" if cell.diverged else ""),
            f"{probability(cell.p)} {cell.star or ' '}",
            number(*cell.published, digits) if cell.published else "",
        )
        previous = here
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Print or write the tables asked for. Returns 1 if there is no finished run, 2 if the request is wrong."""
    options = _parser().parse_args(argv)
    try:
        chosen = _chosen(options)
    except SpecError as error:
        print(error, file=sys.stderr)
        return 2
    results = Path(options.results)
    made = [
        (sweep, scale, frame)
        for sweep, scale in chosen
        if (frame := _finished(sweep, scale, options.source, results)) is not None
    ]
    if not made:
        sweep = options.sweep[0] if options.sweep else "quickstart"
        own = "" if options.source == GENERATED else f" SOURCE={options.source}"
        print(f"no finished run in {results}; run: make sweep SWEEP={sweep}{own}", file=sys.stderr)
        return 1
    if options.format == "latex":
        _write_latex(made, options.metric, Path(options.output))
    elif options.format == "csv":
        print(csv([(sweep.name, frame) for sweep, _, frame in made], options.metric), end="")
    else:
        console = Console(width=None if sys.stdout.isatty() else WIDTH)
        for sweep, _, frame in made:
            if options.format == "markdown":
                print(markdown(frame, options.metric, sweep.description))
            else:
                console.print(terminal(frame, options.metric, sweep.description))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Tables of finished sweeps, beside the published numbers.")
    parser.add_argument("--sweep", nargs="+", metavar="NAME", help="default: every sweep that has a finished run")
    parser.add_argument("--scale", metavar="S", help="default: every scale that has a finished run")
    parser.add_argument(
        "--source", metavar="S", default=GENERATED, help="where the episodes are from (default: our own)"
    )
    parser.add_argument("--results", metavar="DIR", default="output", help="where the runs are (default: output)")
    parser.add_argument("--format", default="latex", help=f"one of {', '.join(FORMATS)} (default: latex)")
    parser.add_argument("--metric", default="return99", help=f"one of {', '.join(METRICS)} (default: return99)")
    parser.add_argument("--output", metavar="DIR", default="tables", help="where LaTeX is written (default: tables)")
    return parser


def _chosen(options: argparse.Namespace) -> list[tuple[Sweep, str]]:
    """The sweeps and scales to look at, or a :class:`SpecError` that lists the valid values."""
    _check("format", options.format, FORMATS)
    _check("metric", options.metric, METRICS)
    check_source(options.source)
    sweeps = [load_sweep(name) for name in dict.fromkeys(options.sweep or sweep_names())]
    if options.scale is None:
        return [(sweep, scale) for sweep in sweeps for scale in sweep.scales]
    if options.sweep:
        return [(sweep, sweep.scale(options.scale)) for sweep in sweeps]
    _check("scale", options.scale, dict.fromkeys(scale for sweep in sweeps for scale in sweep.scales))
    return [(sweep, options.scale) for sweep in sweeps if options.scale in sweep.scales]


def _check(what: str, value: str, valid: Iterable[str]) -> None:
    if value not in (names := list(valid)):
        raise SpecError(f"there is no {what} {value!r}; the valid ones are: {', '.join(names)}")


def _finished(sweep: Sweep, scale: str, source: str, results: Path) -> pd.DataFrame | None:
    """One row per expected run, or None if none of them is finished."""
    if not results.is_dir():
        return None
    from analysis.results import load  # late: it brings MLflow, and a wrong request is to be refused at once

    frame = load(sweep.expand(scale, source=source), results)
    return frame if (frame["status"] == "done").any() else None


def _write_latex(made: Sequence[tuple[Sweep, str, pd.DataFrame]], metric: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    source = str(made[0][2]["source"].iloc[0])
    own = "" if source == GENERATED else f"_{source}"
    tables = {
        folder / f"{sweep.name}_{scale}{own}.tex": latex(frame, metric, sweep.description)
        for sweep, scale, frame in made
    }
    for path, text in {**tables, folder / f"all{own}.tex": tex.document(tables.values())}.items():
        unfinished = path.with_suffix(".tex.tmp")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)  # a reader never sees half a table
        print(path)


def _record(name: str, frame: pd.DataFrame, cell: Cell, metric: str) -> dict[str, object]:
    published = cell.published or (math.nan, math.nan)
    return {
        "sweep": name,
        "scale": frame["scale"].iloc[0],
        "source": frame["source"].iloc[0],
        "metric": metric,
        "task": cell.task,
        "expert_share": cell.expert_share,
        "method": cell.label,
        "mean": cell.mean,
        "std": cell.std,
        "seeds": cell.seeds,
        "expected": cell.expected,
        "diverged": cell.diverged,
        "partial": cell.partial,
        "missing": cell.missing,
        "best": cell.best,
        "p": cell.p,
        "star": cell.star,
        "published_mean": published[0],
        "published_std": published[1],
    }


if __name__ == "__main__":
    sys.exit(main())
