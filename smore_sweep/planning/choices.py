"""Choices on the command line: the part of a sweep that is meant, and changes of its knobs and its length."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from smore_sweep.discovery import match_method, methods, parse_knob
from smore_sweep.errors import DeclarationError, did_you_mean
from smore_sweep.method import Method, knobs
from smore_sweep.run_spec import GENERATED, RunSpec, check_source
from smore_sweep.spec import Grid, Scale, Sweep, task_name

MOST_SEEDS = 10_000
"""Most seeds of a list. A longer one is a slip of the pen."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Values of a knob, as text.

    Attributes:
        method: The method, in any spelling; empty for every method that has the knob.
        knob: The knob.
        values: Its values; several multiply the grid.
    """

    method: str
    knob: str
    values: tuple[str, ...]

    @property
    def name(self) -> str:
        """The knob as it was given: ``smore.beta``."""
        return f"{self.method}.{self.knob}" if self.method else self.knob


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What a command asks of a sweep. The default is the sweep as it is declared, with the ids that it has.

    Attributes:
        tasks: Tasks; none for the scale's.
        methods: Methods, by any of their names or by the label of a configuration; none for all.
        seeds: Seeds per cell, or a list of seeds; None for the scale's number.
        settings: Knobs to set, in place of the values that the sweep declares.
        updates: Updates of every run; None for the budget's. The interval of the evaluations stays.
        source: Source of the episodes.
        elsewhere: Ids of runs that others have; they are left out.
    """

    tasks: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    seeds: int | tuple[int, ...] | None = None
    settings: tuple[Setting, ...] = ()
    updates: int | None = None
    source: str = GENERATED
    elsewhere: frozenset[str] = field(default=frozenset(), compare=False)

    def __post_init__(self) -> None:
        check_source(self.source)
        if isinstance(self.seeds, int) and self.seeds < 1:
            raise DeclarationError(f"seeds = {self.seeds} is not valid; it must be a whole number of at least 1")

    def options(self) -> dict[str, str]:
        """Return the choices that differ from the default as text, by the name of their option."""
        seeds = self.seeds
        listed = "" if seeds is None else str(seeds) if isinstance(seeds, int) else ",".join(map(str, seeds))
        given = {
            "seeds": f"{listed}," if isinstance(seeds, tuple) and len(seeds) == 1 else listed,
            "tasks": ",".join(self.tasks),
            "methods": ",".join(self.methods),
            "set": " ".join(f"{setting.name}={','.join(setting.values)}" for setting in self.settings),
            "updates": "" if self.updates is None else str(self.updates),
            "source": "" if self.source == GENERATED else self.source,
        }
        return {name: text for name, text in given.items() if text}

    def refuse_changes(self, hint: str) -> None:
        """Raise :class:`DeclarationError` if methods, knobs or a length are chosen, which concern one sweep."""
        given = {"--methods": self.methods, "--set": self.settings, "--updates": self.updates}
        if names := [name for name, value in given.items() if value]:
            raise DeclarationError(f"{' and '.join(names)} can be given with one sweep only; {hint}")

    def apply(self, sweep: Sweep) -> Sweep:
        """Return the sweep of the chosen methods, with the chosen knobs and length.

        Raises:
            DeclarationError: For a method or knob that the sweep does not have, and for a value that is not valid.
        """
        if not (self.methods or self.settings or self.updates is not None):
            return sweep
        grids = _only(sweep, self.methods) if self.methods else list(sweep.grids)
        fixed = _values(sweep.name, grids, self.settings)
        changed = replace(
            sweep,
            grids=[_with(grid, fixed) for grid in grids] if fixed else grids,
            overlapping=sweep.overlapping or bool(fixed),
        )
        gone_tasks = set(sweep.tasks) - set(changed.tasks)
        gone_knobs = _knob_names(sweep.grids) - _knob_names(changed.grids)
        scales = {name: self._resize(scale, gone_tasks, gone_knobs) for name, scale in sweep.scales.items()}
        return replace(changed, scales=scales)

    def expand(self, sweep: Sweep, scale: str | None) -> list[RunSpec]:
        """Return the chosen runs of a sweep at a scale, in a fixed order.

        Raises:
            DeclarationError: As :meth:`apply` and :meth:`Sweep.expand`, and for updates below the interval of the
                evaluations.
        """
        changed = self.apply(sweep)
        chosen = changed.scale(scale)
        if self.methods and not (self.tasks or changed.scales[chosen].tasks):
            raise DeclarationError(
                f"sweep {sweep.name} has {', '.join(self.methods)} on no task of scale {chosen}; "
                f"name tasks: --tasks {','.join(changed.tasks)}"
            )
        runs = changed.expand(scale, seeds=self.seeds, tasks=self.tasks, source=self.source)
        for run in runs if self.updates else ():
            if run.budget.updates < run.budget.evaluate_every:
                raise DeclarationError(
                    f"updates = {self.updates} is not valid; {run.task} at scale {chosen} is evaluated every "
                    f"{run.budget.evaluate_every} updates, so give at least as many"
                )
        return [run for run in runs if run.run_id not in self.elsewhere] if self.elsewhere else runs

    def _resize(self, scale: Scale, gone_tasks: set[str], gone_knobs: set[str]) -> Scale:
        per_task = {
            task: {name: value for name, value in change.items() if name != "updates" or self.updates is None}
            for task, change in scale.per_task.items()
            if task not in gone_tasks
        }
        return replace(
            scale,
            tasks=[task for task in scale.tasks if task_name(task) not in gone_tasks],
            knobs={name: value for name, value in scale.knobs.items() if name not in gone_knobs},
            per_task=per_task,
            budget=scale.budget if self.updates is None else replace(scale.budget, updates=self.updates),
        )


AS_DECLARED = Choices()
"""A sweep as it is declared."""
ALL_ELSEWHERE = "nothing to do: the export has every run"
"""What is said where the choices leave no run."""


def _only(sweep: Sweep, names: Sequence[str]) -> list[Grid]:
    """Return the grids with the methods of these names only; without those that have none of them."""
    declared = list(dict.fromkeys(method for grid in sweep.grids for method in grid.methods))
    known = _known(declared)
    labels = {_plain(method.label): method for method in declared}
    chosen: set[Method] = set()
    for name in names:
        if kind := match_method(name, known):
            chosen |= {method for method in declared if type(method) is kind}
        elif _plain(name) in labels:
            chosen.add(labels[_plain(name)])
        else:
            own = [method.label for method in declared if method.label != method.name]
            raise DeclarationError(_no_method(sweep.name, name, known, own))
    grids = [replace(grid, methods=[method for method in grid.methods if method in chosen]) for grid in sweep.grids]
    return [grid for grid in grids if grid.methods]


def _values(sweep: str, grids: Sequence[Grid], settings: Iterable[Setting]) -> dict[type[Method], dict[str, list[Any]]]:
    """Return the values of the knobs that are set, by method."""
    known = _known(method for grid in grids for method in grid.methods)
    values: dict[type[Method], dict[str, list[Any]]] = {}
    for setting in settings:
        kinds = list(known.values())
        if setting.method:
            kind = match_method(setting.method, known)
            if kind is None:
                raise DeclarationError(_no_method(sweep, setting.method, known))
            kinds = [kind]
        having = [kind for kind in kinds if setting.knob in knobs(kind)]
        if not having:
            names = sorted({name for kind in kinds for name in knobs(kind)})
            has = f"{kinds[0].name} has no knob" if setting.method else f"no method of sweep {sweep} has a knob"
            raise DeclarationError(
                f"{has} {setting.knob!r}; the knobs are: {', '.join(names)}{did_you_mean(setting.knob, names)}"
            )
        for kind in having:
            own = values.setdefault(kind, {})
            if setting.knob in own:
                raise DeclarationError(
                    f"--set gives {kind.name} the knob {setting.knob} twice; give all its values at once: "
                    f"{setting.name}={','.join(setting.values)},..."
                )
            default = knobs(kind)[setting.knob].default
            own[setting.knob] = list(dict.fromkeys(parse_knob(text, default) for text in setting.values))
    return values


def _with(grid: Grid, values: Mapping[type[Method], Mapping[str, Sequence[Any]]]) -> Grid:
    """Return a grid with values in place of its own for the knobs that are set."""
    changed = [
        type(method)(**{**method.fields(), **dict(zip(own, picked, strict=True))})
        for method in grid.methods
        for own in [values.get(type(method), {})]
        for picked in itertools.product(*own.values())
    ]
    fixed = {kind: {*grid.fixed.get(kind, ()), *values.get(kind, ())} for kind in {*grid.fixed, *values}}
    return replace(grid, methods=list(dict.fromkeys(changed)), fixed=fixed)


def _known(declared: Iterable[Method]) -> dict[str, type[Method]]:
    """Return the methods of these configurations by the names that the ``methods`` command lists."""
    kinds = list(dict.fromkeys(type(method) for method in declared))
    names = {kind: name for name, kind in methods().items()} if kinds else {}
    return {names.get(kind, kind.__name__): kind for kind in kinds}


def _no_method(sweep: str, name: str, valid: Iterable[str], labels: Sequence[str] = ()) -> str:
    names = list(valid)
    single = f", or one configuration, such as {labels[0]!r}" if labels else ""
    hint = did_you_mean(name, [*names, *labels])
    return f"sweep {sweep} has no method {name!r}; its methods are: {', '.join(names)}{single}{hint}"


def _plain(label: str) -> str:
    return " ".join(label.lower().split())


def _knob_names(grids: Iterable[Grid]) -> set[str]:
    return {name for grid in grids for method in grid.methods for name in knobs(type(method))}


def parse_choices(
    *,
    tasks: str | Sequence[str] | None = None,
    methods: str | Sequence[str] | None = None,
    seeds: str | None = None,
    settings: Sequence[str] = (),
    updates: int | None = None,
    source: str = GENERATED,
) -> Choices:
    """Read the choices of a command's options. Tasks and methods are names with commas between, once or several times.

    Raises:
        DeclarationError: If one is not valid.
    """
    return Choices(
        tasks=_names("tasks", tasks, "FetchReach,FetchPush"),
        methods=_names("methods", methods, "smore,gc_iql"),
        seeds=None if seeds is None else parse_seeds(seeds),
        settings=parse_settings(settings),
        updates=updates,
        source=source,
    )


def parse_seeds(text: str) -> int | tuple[int, ...]:
    """Read ``5``, a number of seeds, or ``0,3,5-9``, a list of them: a comma or a dash makes it one.

    Raises:
        DeclarationError: If it is neither.
    """
    invalid = f"seeds = {text!r} is not valid; give a number of seeds, such as 5, or a list of them, such as 0,3,5-9"
    parts = [part.strip() for part in text.split(",")]
    if parts[-1] == "" and len(parts) > 1:  # "3," is the seed 3 alone
        parts.pop()
    ranges = [re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part) for part in parts]
    bounds = [(int(match[1]), int(match[2] or match[1])) for match in ranges if match]
    if len(bounds) < len(parts) or any(last < first for first, last in bounds):
        raise DeclarationError(invalid)
    if re.fullmatch(r"[0-9]+", text.strip()):
        return bounds[0][0]
    if sum(last - first + 1 for first, last in bounds) > MOST_SEEDS:
        raise DeclarationError(f"seeds = {text!r} is not valid; a list holds at most {MOST_SEEDS:,} seeds")
    seeds = [seed for first, last in bounds for seed in range(first, last + 1)]
    twice = [seed for seed, times in Counter(seeds).items() if times > 1]
    if twice:
        raise DeclarationError(f"seeds = {text!r} is not valid; it names the seed {twice[0]} twice")
    return tuple(seeds)


def parse_settings(texts: Sequence[str]) -> tuple[Setting, ...]:
    """Read settings such as ``smore.beta=0.5,0.7`` or ``temperature=1,3``; a text may hold several, apart by spaces."""
    return tuple(_setting(word) for text in texts for word in text.split() or [text])


def _setting(text: str) -> Setting:
    left, _, right = text.partition("=")
    method, _, knob = left.rpartition(".")
    values = tuple(value.strip() for value in right.split(","))
    if not knob or not all(values) or left.startswith("."):
        raise DeclarationError(
            f"--set {text} is not valid; give KNOB=VALUE or METHOD.KNOB=VALUE, such as smore.beta=0.5,0.7"
        )
    return Setting(method=method, knob=knob, values=values)


def _names(option: str, given: str | Sequence[str] | None, example: str) -> tuple[str, ...]:
    if given is None:
        return ()
    text = given if isinstance(given, str) else ",".join(given)
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise DeclarationError(f"{option} = {text!r} names none; give them with commas between, such as {example}")
    return names
