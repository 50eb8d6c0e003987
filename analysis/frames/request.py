"""Selection of results: the options that all commands share, and the runs that they select."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from analysis.stats.sequential import LOOKS
from smore_sweep.errors import UserError
from smore_sweep.planning.choices import AS_DECLARED, Choices, parse_choices
from smore_sweep.planning.history import other_requests, remembered
from smore_sweep.planning.plan import EXPORT
from smore_sweep.results.record import MISSING
from smore_sweep.run_spec import GENERATED, RunSpec
from smore_sweep.spec import Sweep
from smore_sweep.storage.paths import DEFAULT_RESULTS, StoragePath, is_folder, storage_path


@dataclass(frozen=True)
class ResultsRequest:
    """A results folder or archive, and the choices that say which runs are meant.

    The sweeps that its functions get are those of :meth:`Choices.apply`.
    """

    results: StoragePath
    choices: Choices = AS_DECLARED

    @property
    def source(self) -> str:
        """Source of the data."""
        return self.choices.source

    def runs(self, sweep: Sweep, scale: str, tasks: Sequence[str] | None = None) -> list[RunSpec]:
        """Expand a sweep at a scale. Raises :class:`UserError` for whatever :meth:`Sweep.expand` refuses."""
        chosen = tasks or self.choices.tasks
        return sweep.expand(scale, seeds=self.choices.seeds, tasks=chosen, source=self.source)

    def load(self, sweep: Sweep, scale: str, tasks: Sequence[str] | None = None) -> pd.DataFrame:
        """Load one row for each of those runs (:func:`analysis.frames.runs.load`)."""
        from analysis.frames.runs import load  # late, so that a wrong request is refused at once

        return load(self.runs(sweep, scale, tasks), self.results)

    def load_for_claims(self, sweep: Sweep, scale: str) -> pd.DataFrame:
        """Load one row for each run on all tasks of a sweep, including those that the scale leaves out.

        Where no seeds are chosen, a cell has as many as its furthest look that has a run
        (:mod:`analysis.stats.sequential`). ``first_look`` is the scale's number of seeds.
        """
        import pandas as pd

        size = sweep.scales[sweep.scale(scale)]
        tasks: dict[int, list[str]] = {}
        for task in sweep.tasks:
            tasks.setdefault(size.seeds_of(task), []).append(task)
        frames = []
        for first, own in tasks.items():
            if self.choices.seeds is not None:
                frame = self.load(sweep, scale, own)
            else:
                most = replace(self, choices=replace(self.choices, seeds=LOOKS[-1] * first))
                frame = _as_far_as_looked(most.load(sweep, scale, own), first)
            frames.append(frame.assign(first_look=first))
        return pd.concat(frames, ignore_index=True)

    def nothing(self, sweep: str, scale: str | None = None) -> str:
        """Explain that there is nothing to show, and name the command that runs the sweep."""
        if not is_folder(self.results):
            return f"there is no folder {self.results}; sweeps write to RESULTS=output unless they are told otherwise"
        if others := other_requests(self.results, sweep, self.choices):
            return f"no such finished run in {self.results}; it was run there with: {' or '.join(others)}"
        own = [request for request in remembered(self.results) if request.sweep.endswith(".py")]
        if own and not sweep.endswith(".py"):
            named = f"--sweep {own[0].sweep}{own[0].title}"
            return f"no finished run of a shipped sweep in {self.results}; see your own: smore-sweep tables {named}"
        if sweep.endswith(".py"):
            given = {"scale": scale or "", **self.choices.options(), "results": str(self.results)}
            options = "".join(f" --{name} {shlex.quote(text)}" for name, text in given.items() if text)
            return f"no finished run in {self.results}; run: smore-sweep run {sweep}{options}"
        export = isinstance(self.results, Path) and (self.results / EXPORT).exists()
        results = "" if export or str(self.results) == DEFAULT_RESULTS else f" RESULTS={self.results}"
        then = f", then: python analysis/export.py --to {self.results}" if export else ""
        at, option = (f" at scale {scale}", f" SCALE={scale}") if scale else ("", "")
        command = f"make sweep SWEEP={sweep}{option}{self.options}{results}"
        return f"no finished run{at} in {self.results}; run: {command}{then}"

    @property
    def options(self) -> str:
        """The request as options of ``make sweep``."""
        return "".join(f" {name.upper()}={shlex.quote(text)}" for name, text in self.choices.options().items())

    @property
    def changes_runs(self) -> bool:
        """Whether methods, knobs or a length are chosen, so that the sweep is another one than declared."""
        return bool({"methods", "set", "updates"} & self.choices.options().keys())

    @property
    def suffix(self) -> str:
        """The request as a suffix of file names."""
        chosen = self.changes_runs or self.choices.tasks
        return ("" if self.source == GENERATED else f"_{self.source}") + ("_chosen" if chosen else "")


def _as_far_as_looked(frame: pd.DataFrame, first: int) -> pd.DataFrame:
    """Drop the seeds beyond each cell's furthest look that has a run."""
    cells = frame.groupby(["task", "label", "expert_share"], sort=False)
    number = cells.cumcount()  # seeds are in their order
    begun = (number + 1).where(frame["status"] != MISSING, 0)
    furthest = begun.groupby([frame["task"], frame["label"], frame["expert_share"]]).transform("max")
    seeds = furthest.map(lambda count: next(times * first for times in LOOKS if count <= times * first))
    return frame[number < seeds]


def add_options(parser: argparse.ArgumentParser, scale: str) -> None:
    """Add the options that select results. ``scale`` describes the default of ``--scale``."""
    parser.add_argument(
        "--results",
        metavar="DIR",
        default=DEFAULT_RESULTS,
        help="where the runs are: a folder or s3://... (default: %(default)s)",
    )
    parser.add_argument("--scale", metavar="S", help=f"default: {scale}")
    parser.add_argument("--seeds", metavar="N", help="seeds a cell, or a list such as 0,3,5-9 (default: the scale's)")
    parser.add_argument("--source", metavar="S", default=GENERATED, help=f"of the episodes (default: {GENERATED})")


def add_choices(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose and change runs of a named sweep, as ``smore-sweep run`` has them."""
    parser.add_argument("--tasks", metavar="A,B", action="append", help="with --sweep: these tasks")
    parser.add_argument("--methods", metavar="A,B", action="append", help="with --sweep: these methods")
    parser.add_argument("--set", metavar="KNOB=V", action="append", help="with --sweep: the runs with these knobs")
    parser.add_argument("--updates", metavar="N", type=int, help="with --sweep: the runs of this length")


def results_request(options: argparse.Namespace) -> ResultsRequest:
    """Build the request from the options. Raises :class:`UserError` for an invalid choice or path."""
    given = {name: getattr(options, name, None) for name in ("tasks", "methods", "updates")}
    settings = getattr(options, "set", None) or ()
    choices = parse_choices(**given, seeds=options.seeds, settings=settings, source=options.source)
    if not getattr(options, "sweep", None):
        choices.refuse_changes("name it with --sweep")
        if choices.tasks:
            raise UserError("--tasks can be given with one sweep only; name it with --sweep")
    return ResultsRequest(storage_path(options.results), choices)


def check_choice(what: str, value: str, valid: Iterable[str]) -> None:
    """Raise :class:`UserError`, which lists the valid values, unless the value is one of them."""
    if value not in (names := list(valid)):
        raise UserError(f"there is no {what} {value!r}; the valid ones are: {', '.join(names)}")
