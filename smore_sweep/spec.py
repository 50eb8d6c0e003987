"""Declare sweeps, and expand them into runs. Only the standard library is imported here."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from smore_sweep.errors import DeclarationError, did_you_mean
from smore_sweep.method import Method, check_complete, knobs
from smore_sweep.run_spec import GENERATED, Budget, RunSpec
from smore_sweep.task import Task
from smore_sweep.tasks import declare

DEFAULT_SCALE = "laptop"
LONGEST = 80
"""Most characters of a value in a message."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Product of methods, tasks and expert shares.

    Attributes:
        methods: Configurations of methods.
        tasks: Names of tasks that ship or are installed, or :class:`~smore_sweep.task.Task` objects of your own.
        expert_share: Shares of expert episodes in the data.
        fixed: Knobs that keep their declared value even if it is the default, by class of method.
    """

    methods: Sequence[Method]
    tasks: Sequence[str | Task]
    expert_share: Sequence[float] = (1.0,)
    fixed: Mapping[type[Method], Collection[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_list("a grid's methods", self.methods, Method, "SMORe()")
        _check_list("a grid's tasks", self.tasks, (str, Task), '"FetchReach"')
        _check_list("a grid's expert_share", self.expert_share, (int, float), "0.1")
        declare(task for task in self.tasks if isinstance(task, Task))

    @property
    def task_names(self) -> list[str]:
        """Names of the tasks."""
        return [task_name(task) for task in self.tasks]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Tasks, seeds and budget at which a sweep runs.

    ``knobs`` and ``tuned``, like a method's own :meth:`Method.by_task`, fill knobs that a sweep leaves at their
    defaults.

    Attributes:
        tasks: Tasks that run unless others are named.
        seeds: Seeds per cell.
        budget: Budget of every task.
        per_task: Fields of the budget, or ``seeds``, that differ by task.
        knobs: Values for every method that has such a knob, such as the networks' width.
        tuned: Values from model selection, by (method's name, task).
        needs: The scale at which a task is learnt that is hardly learnt at this one, by task. Plans say so.
    """

    tasks: Sequence[str | Task]
    seeds: int
    budget: Budget
    per_task: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    knobs: Mapping[str, Any] = field(default_factory=dict)
    tuned: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_list("a scale's tasks", self.tasks, (str, Task), '"FetchReach"')
        if not isinstance(self.seeds, int) or isinstance(self.seeds, bool):
            raise DeclarationError(f"a scale's seeds = {self.seeds!r} is not valid; it must be their number, such as 5")
        _check_kind("a scale's budget", self.budget, Budget, "a Budget(...)")
        for name in ("per_task", "knobs", "tuned", "needs"):
            if not isinstance(getattr(self, name), Mapping):
                raise DeclarationError(
                    f"a scale's {name} = {_shown(getattr(self, name))} is not valid; it must be a dictionary"
                )

    @property
    def task_names(self) -> list[str]:
        """Names of the tasks."""
        return [task_name(task) for task in self.tasks]

    def seeds_of(self, task: str) -> int:
        """Return the number of seeds of a task."""
        return self.per_task.get(task, {}).get("seeds", self.seeds)

    def budget_of(self, task: str) -> Budget:
        """Return the budget of a task."""
        changed = {k: v for k, v in self.per_task.get(task, {}).items() if k != "seeds"}
        unknown = sorted(set(changed) - set(vars(self.budget)))
        if unknown:
            raise DeclarationError(
                f"{task}: the budget has no field {unknown[0]!r}; it has: {', '.join(vars(self.budget))}"
            )
        return replace(self.budget, **changed)

    def configure(self, method: Method, task: str, varied: Collection[str]) -> Method:
        """Return the configuration with which a declared method runs on a task.

        Knobs come from the method's paper, the scale and model selection, each overriding the one before. A knob that
        the declaration changes, or that is ``varied``, keeps its declared value.
        """
        values = {**method.by_task(task), **self.knobs, **self.tuned.get((method.name, task), {})}
        free = set(knobs(type(method))) - set(varied) - set(method.changed())
        return type(method)(**{**method.fields(), **{name: values[name] for name in values if name in free}})


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Declared experiment: grids, and the scales at which they can run. Seeds count from ``first_seed``.

    Without a scale's name a sweep runs at its ``default_scale``, or at the first if it does not have that. A run that
    two grids share is refused as a mistake, unless the sweep is ``overlapping``: then it counts once.
    """

    name: str
    description: str
    grids: Sequence[Grid]
    scales: Mapping[str, Scale]
    default_scale: str = DEFAULT_SCALE
    first_seed: int = 0
    overlapping: bool = False

    def __post_init__(self) -> None:
        _check_list("a sweep's grids", self.grids, Grid, "Grid(methods=[SMORe()], tasks=[...])")
        _check_kind("a sweep's name", self.name, str, 'a text, such as "mine"')
        _check_kind("a sweep's description", self.description, str, "a text")
        _check_kind("a sweep's scales", self.scales, Mapping, 'a dictionary, such as {"laptop": Scale(...)}')
        for name, scale in self.scales.items():
            _check_kind(f"a sweep's scale {name}", scale, Scale, "a Scale(...)")
        own: dict[str, Task] = {}
        lists = [*(grid.tasks for grid in self.grids), *(scale.tasks for scale in self.scales.values())]
        for task in itertools.chain(*lists):
            if isinstance(task, Task) and own.setdefault(task.name, task) != task:
                raise DeclarationError(
                    f"sweep {self.name} has two different tasks of the name {task.name!r}; give one another name"
                )

    @property
    def tasks(self) -> list[str]:
        """All tasks of its grids, including those that a scale leaves out unless they are named."""
        return list(dict.fromkeys(name for grid in self.grids for name in grid.task_names))

    def scale(self, name: str | None) -> str:
        """Return the scale to use: the named one, or else the default, or else the first.

        Raises:
            DeclarationError: For an unknown scale; the message lists the valid ones.
        """
        if not self.scales:
            raise DeclarationError(f'sweep {self.name} has no scale; give it one, such as {{"laptop": Scale(...)}}')
        usual = self.default_scale if self.default_scale in self.scales else next(iter(self.scales))
        scale = name or usual
        if scale not in self.scales:
            raise DeclarationError(
                f"sweep {self.name} has no scale {scale!r}; "
                f"its scales are: {', '.join(self.scales)}{did_you_mean(scale, self.scales)}"
            )
        return scale

    def expand(
        self,
        scale: str | None = None,
        *,
        seeds: int | Sequence[int] | None = None,
        tasks: Sequence[str] | None = None,
        source: str = GENERATED,
    ) -> list[RunSpec]:
        """Return all runs of the sweep at a scale, in a fixed order.

        Args:
            scale: The scale; None for the sweep's own.
            seeds: Seeds per cell, or a list of seeds; None for the scale's number.
            tasks: Tasks to run; None for the scale's.
            source: Source of the data.

        Raises:
            DeclarationError: For an unknown scale, an empty or duplicate grid, and any value out of range.
        """
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise DeclarationError(
                f"sweep name {self.name!r} is not valid; use lower-case letters, digits and underscores"
            )
        chosen = self.scale(scale)
        if not self.grids:
            raise DeclarationError(
                f"sweep {self.name} has no grid; give it one, such as Grid(methods=[...], tasks=[...])"
            )
        size = self.scales[chosen]
        for task in tasks or ():
            if task not in self.tasks:
                raise DeclarationError(
                    f"sweep {self.name} has no task {task!r}; "
                    f"its tasks are: {', '.join(self.tasks)}{did_you_mean(task, self.tasks)}"
                )
        for grid in self.grids:
            for field_name in ("methods", "tasks", "expert_share"):
                if not getattr(grid, field_name):
                    raise DeclarationError(
                        f"sweep {self.name} has a grid without any {field_name}; give it at least one"
                    )
        for task in (*size.task_names, *size.per_task):
            if task not in self.tasks:
                raise DeclarationError(
                    f"scale {chosen} names the task {task!r}, which no grid has; they have: {', '.join(self.tasks)}"
                )
            if size.seeds_of(task) < 1:
                raise DeclarationError(
                    f"scale {chosen}: seeds = {size.seeds_of(task)} is not valid; it must be at least 1"
                )
        kinds = {type(method) for grid in self.grids for method in grid.methods}
        for name in size.knobs:
            if not any(name in knobs(kind) for kind in kinds):
                raise DeclarationError(
                    f"scale {chosen} sets the knob {name!r}, which no method of sweep {self.name} has"
                )
        wanted = tuple(tasks or size.task_names)

        runs = [
            RunSpec(
                method=configured,
                declared=method,
                task=task,
                expert_share=share,
                seed=seed,
                scale=chosen,
                budget=size.budget_of(task),
                source=source,
            )
            for grid in self.grids
            for varied_knobs in [varied(grid.methods)]
            for task, method, share in itertools.product(grid.task_names, grid.methods, grid.expert_share)
            if task in wanted
            for kept in [{*varied_knobs[type(method)], *grid.fixed.get(type(method), ())}]
            for configured in [size.configure(method, task, kept)]
            for seed in self._seeds(size.seeds_of(task) if seeds is None else seeds)
        ]
        if not runs:
            raise DeclarationError(
                f"sweep {self.name} at scale {chosen} is empty: give every grid a method, a task and a share"
            )
        seen: dict[str, RunSpec] = {}
        for run in runs:
            if run.run_id in seen and not self.overlapping:
                raise DeclarationError(f"sweep {self.name} declares the run {run.title!r} twice; remove the duplicate")
            seen.setdefault(run.run_id, run)
        return list(seen.values())

    def _seeds(self, seeds: int | Sequence[int]) -> Sequence[int]:
        """Return the seeds of a cell, from their number or as they are listed."""
        if not isinstance(seeds, int):
            return seeds
        if seeds < 1:
            raise DeclarationError(f"seeds = {seeds} is not valid; it must be a whole number of at least 1")
        return range(self.first_seed, self.first_seed + seeds)


def task_name(task: str | Task) -> str:
    """Return the name of a task that is given by name or as an object."""
    return task if isinstance(task, str) else task.name


def _check_list(name: str, values: object, kind: type | tuple[type, ...], example: str) -> None:
    """Raise :class:`DeclarationError` unless a field is a list of such values."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Sequence):
        raise DeclarationError(f"{name} = {_shown(values)} is not valid; it must be a list, such as [{example}]")
    for value in values:
        if isinstance(value, type):
            raise DeclarationError(
                f"{name} hold the class {value.__name__}; give an instance of it, such as {value.__name__}()"
            )
        if not isinstance(value, kind) or isinstance(value, bool):
            raise DeclarationError(f"{name} hold {_shown(value)}, which is not valid; give values such as {example}")
        if isinstance(value, Method):
            check_complete(value)


def _check_kind(name: str, value: object, kind: type, example: str) -> None:
    if not isinstance(value, kind):
        raise DeclarationError(f"{name} = {_shown(value)} is not valid; it must be {example}")


def _shown(value: object) -> str:
    """Return a value for a message, shortened."""
    text = f"the class {value.__name__}" if isinstance(value, type) else repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


M = TypeVar("M", bound=Method)


def grid(method: type[M], **choices: Any) -> list[M]:
    """Return every combination of knob values: ``grid(SMORe, beta=[0.5, 0.7], her_ratio=0.8)``.

    A list or tuple is a choice; anything else is one value.
    """
    if not (isinstance(method, type) and issubclass(method, Method)):
        raise DeclarationError(
            f"grid({_shown(method)}, ...) is not valid; give the class, as in grid(SMORe, beta=[0.5, 0.7])"
        )
    if "__dataclass_fields__" not in vars(method):
        raise DeclarationError(f"the class {method.__name__} is not a method yet; put @method above it")
    declared = knobs(method)
    for name in choices:
        if name not in declared:
            raise DeclarationError(f"{method.name} has no field {name!r}; it has: {', '.join(sorted(declared))}")
    values = [list(value) if isinstance(value, (list, tuple)) else [value] for value in choices.values()]
    return [method(**dict(zip(choices, picked, strict=True))) for picked in itertools.product(*values)]


def varied(methods: Iterable[Method]) -> dict[type[Method], set[str]]:
    """Return the knobs in which configurations of the same method differ."""
    by_class: dict[type[Method], list[Method]] = defaultdict(list)
    for method in methods:
        by_class[type(method)].append(method)
    return {
        kind: {name for name in knobs(kind) if len({getattr(method, name) for method in configurations}) > 1}
        for kind, configurations in by_class.items()
    }
