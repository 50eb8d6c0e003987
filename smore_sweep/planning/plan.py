"""What a sweep still has to do. The state of every run is read off the results folder; nothing is remembered."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from traceback import extract_tb
from types import ModuleType

from smore_sweep.deferred import deferred
from smore_sweep.errors import DeclarationError
from smore_sweep.planning.stacks import Stack
from smore_sweep.results import record, run_files
from smore_sweep.spec import GENERATED, RunSpec, Scale, Sweep
from smore_sweep.storage.paths import StoragePath
from smore_sweep.tasks import task

PRODUCT_SHARE = 0.4
"""Share of the machine's matrix-product rate that training typically reaches, for estimates only."""


@dataclass(frozen=True)
class Plan:
    """The expected runs of a sweep at a scale, on the data of one source, and where each stands. ``behind`` holds the
    updates that partial runs have behind them, by run id."""

    sweep: Sweep
    scale: str
    source: str
    runs: list[RunSpec]
    states: dict[str, str]
    behind: dict[str, int]

    @property
    def pending(self) -> list[tuple[RunSpec, int]]:
        """Runs that are not done, with the updates behind them."""
        return [(run, self.behind.get(run.run_id, 0)) for run in self.runs if self.states[run.run_id] != record.DONE]

    def count(self, state: str) -> int:
        """How many runs are ``done``, ``partial`` or ``missing``."""
        return sum(1 for run in self.runs if self.states[run.run_id] == state)

    def rows(self) -> list[tuple[str, str, float, Counter[str], RunSpec]]:
        """(task, method label, expert share, runs by state, one of the runs) for every cell, in declared order."""
        cells: dict[tuple[str, str, float], list[RunSpec]] = defaultdict(list)
        for run in self.runs:
            cells[run.task, run.named.label, run.expert_share].append(run)
        return [(*key, Counter(self.states[run.run_id] for run in runs), runs[0]) for key, runs in cells.items()]

    def pools(self) -> dict[tuple[str, str], int]:
        """Episodes that the pending runs need: (task, policy) to count."""
        return pools(run for run, _ in self.pending)


def pools(runs: Iterable[RunSpec]) -> dict[tuple[str, str], int]:
    """Episodes that runs need: (task, policy) to count."""
    needed: dict[tuple[str, str], int] = {}
    for run in runs:
        for policy, count in (
            ("expert", run.expert_episodes),
            (task(run.task).suboptimal, run.budget.episodes - run.expert_episodes),
        ):
            needed[run.task, policy] = max(count, needed.get((run.task, policy), 0))
    return needed


def task_pools(name: str, scale: str | None) -> dict[tuple[str, str], int]:
    """Episodes of a task that the sweeps need at a scale (by default each at its own): (task, policy) to count. Sweeps
    that have the task but leave it out at that scale count too."""
    task(name)
    having = [sweep for sweep in all_sweeps(None) if name in sweep.tasks]
    at_scale = [sweep for sweep in having if scale is None or scale in sweep.scales]
    if not at_scale:
        known = dict.fromkeys(scale for sweep in having for scale in sweep.scales)
        raise DeclarationError(
            f"no sweep has {name} at scale {scale!r}; its scales are: {', '.join(known)}"
            if having
            else f"no sweep has {name}; say how many episodes with --episodes (EPISODES=...)"
        )
    return pools(run for sweep in at_scale for run in sweep.expand(scale, seeds=1, tasks=[name]))


def scale_of(name: str, scale: str) -> Scale:
    """A task's scale as the sweeps have it, so that a single run is one of theirs.

    Raises :class:`DeclarationError` for an unknown task or scale."""
    task(name)
    scales: dict[str, Scale] = importlib.import_module("sweeps._budgets").scales(name)
    if scale not in scales:
        raise DeclarationError(f"unknown scale {scale!r}; the scales are: {', '.join(scales)}")
    return scales[scale]


def sweep_names() -> list[str]:
    """The sweeps that exist: one file each in ``sweeps/``."""
    import sweeps

    return sorted(module.name for module in pkgutil.iter_modules(sweeps.__path__) if not module.name.startswith("_"))


def all_sweeps(scale: str | None) -> list[Sweep]:
    """Every sweep or, if a scale is given, those that have it. Raises :class:`DeclarationError` if none has."""
    sweeps = [load_sweep(name) for name in sweep_names()]
    having = [sweep for sweep in sweeps if scale is None or scale in sweep.scales]
    if not having:
        known = dict.fromkeys(name for sweep in sweeps for name in sweep.scales)
        raise DeclarationError(f"no sweep has a scale {scale!r}; the scales are: {', '.join(known)}")
    return having


def load_sweep(name: str) -> Sweep:
    """The sweep of that name, or of that file if the name ends in ``.py``; a :class:`DeclarationError` otherwise, which
    lists the valid names."""
    file = name.endswith(".py")
    if name == "all":
        raise DeclarationError(f"'all' is for make plan; sweeps run one at a time: {', '.join(sweep_names())}")
    if not file and name not in sweep_names():
        raise DeclarationError(
            f"unknown sweep {name!r}; the sweeps are: {', '.join(sweep_names())}, or give a .py file"
        )
    with _reading(name):
        module = _load_file(Path(name)) if file else importlib.import_module(f"sweeps.{name}")
    sweep = getattr(module, "SWEEP", None)
    if not isinstance(sweep, Sweep):
        raise DeclarationError(f"sweep {name} declares no SWEEP = Sweep(...)")
    return sweep


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise DeclarationError(f"there is no sweep file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def _reading(sweep: str) -> Iterator[None]:
    """Run a sweep's file. Whatever is wrong in it becomes a :class:`DeclarationError` that says where."""
    try:
        with deferred("torch"):
            yield
    except DeclarationError:
        raise
    except Exception as error:
        file = Path(sweep).with_suffix(".py").name
        lines = [frame.lineno for frame in extract_tb(error.__traceback__) if Path(frame.filename).name == file]
        where = f" (line {lines[-1]})" if lines else ""
        raise DeclarationError(f"sweep {sweep} cannot be read: {type(error).__name__}: {error}{where}") from None


def make_plan(
    sweep: Sweep,
    scale: str | None,
    results: StoragePath,
    *,
    seeds: int | None = None,
    tasks: Sequence[str] | None = None,
    source: str = GENERATED,
) -> Plan:
    """Expand a sweep and look up what is there. Raises :class:`DeclarationError` for anything wrong in the
    declaration."""
    for name in (*(tasks or ()), *sweep.tasks):
        task(name)
    runs = sweep.expand(scale, seeds=seeds, tasks=tasks, source=source)
    states = run_files.states(results, [run.run_id for run in runs])
    partial = [run_id for run_id, state in states.items() if state == record.PARTIAL]
    behind = {run_id: found.update for run_id, found in run_files.peek_each(results, partial).items()}
    states |= dict.fromkeys(set(partial) - behind.keys(), record.MISSING)
    return Plan(sweep, sweep.scale(scale), source, runs, states, behind)


@dataclass(frozen=True)
class Estimate:
    """Rough seconds for data, training and evaluation on this machine's CPU cores."""

    data: float
    training: float
    evaluation: float

    @property
    def total(self) -> float:
        """Their sum."""
        return self.data + self.training + self.evaluation


def estimate(plan: Plan, missing_episodes: dict[tuple[str, str], int], cores: int) -> Estimate:
    """Time of what is pending, from the size of the networks and a short matrix-product calibration."""
    data = sum(
        count * task(name).horizon * task(name).step_milliseconds for (name, _), count in missing_episodes.items()
    )
    flops = sum(Stack((run,), behind).work for run, behind in plan.pending)
    evaluation = 0.0
    for run, behind in plan.pending:
        row, budget = task(run.task), run.budget
        rounds = (budget.updates - behind) // budget.evaluate_every
        episodes = max(rounds - 1, 0) * budget.evaluation_episodes + budget.final_episodes
        evaluation += episodes * row.horizon * row.step_milliseconds
    rate = _product_rate() * PRODUCT_SHARE if flops else 1.0
    return Estimate(data / 1e3 / cores, flops / rate, evaluation / 1e3 / cores)


@cache
def _product_rate() -> float:
    """Floating-point operations per second of single-precision products on all cores: the best of some short windows,
    because a busy moment says nothing about the hours to come."""
    import numpy as np

    left, right = np.ones((1024, 256), np.float32), np.ones((256, 256), np.float32)
    operations = 2 * left.size * right.shape[1]
    seconds = []
    for _ in range(40):
        started = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - started)
    return operations / min(seconds)


def describe_stacks(stacks: Sequence[Stack]) -> str:
    """``4 stacks of 5``, or ``3 stacks of 3 to 5``."""
    sizes = sorted({len(stack.runs) for stack in stacks})
    several = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return f"{len(stacks)} stack{'s' * (len(stacks) > 1)} of {several}"
