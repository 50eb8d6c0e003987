"""Find methods, sweeps and scales by name. The files in ``baselines/`` and ``sweeps/`` are the registry."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any

from smore_sweep import user_code
from smore_sweep.errors import DeclarationError, did_you_mean, first_line, unknown
from smore_sweep.method import Method, knobs
from smore_sweep.plugins import installed
from smore_sweep.spec import DEFAULT_SCALE, Scale, Sweep
from smore_sweep.task import Task
from smore_sweep.tasks import ogbench, ogbench_of_one_goal, task


def methods() -> dict[str, type[Method]]:
    """Return every method that ships, by the name of its file, that a package offers, or that a sweep file knows."""
    import baselines

    files = [module.name for module in pkgutil.iter_modules(baselines.__path__) if not module.name.startswith("_")]
    shipped: dict[str, type[Method]] = {}
    for module_name in ("smore_sweep.smore", *(f"baselines.{file}" for file in files)):
        with deferred("torch"):
            module = importlib.import_module(module_name)
        for value in vars(module).values():
            if _is_method(value) and value.__module__ == module_name:
                shipped[module_name.rpartition(".")[2]] = value
    offers = {name: offer.load(type) for name, offer in installed("methods").items()}
    return shipped | {name: kind for name, kind in offers.items() if _is_method(kind)} | _own_methods()


def _own_methods() -> dict[str, type[Method]]:
    """Return the methods of the sweep file that this process has imported, and of the files beside it."""
    return {
        value.__name__: value
        for module in user_code.modules()
        for value in vars(module).values()
        if _is_method(value) and value.__module__ == module.__name__
    }


def _is_method(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Method) and "name" in vars(value)


def find_method(name: str) -> type[Method]:
    """Return the method of a file or, whatever the punctuation, of a name in tables: ``iql``, ``gc_iql``, ``GC-IQL``.

    Raises:
        DeclarationError: If there is none; the message lists the valid names.
    """
    known = methods()
    of_this_process = {kind.__name__: kind for kind in _subclasses(Method) if _is_method(kind)}  # a script's, say
    if kind := match_method(name, known) or match_method(name, of_this_process):
        return kind
    raise DeclarationError(unknown("method", name, known, ", or one of your own, with --file FILE.py"))


def match_method(name: str, known: Mapping[str, type[Method]]) -> type[Method] | None:
    """Return the method of this name, as :func:`find_method` reads names, among some methods by name."""
    letters = _letters(name)
    return next((kind for file, kind in known.items() if letters in (_letters(file), _letters(kind.name))), None)


def _subclasses(kind: type[Method]) -> Iterator[type[Method]]:
    """Yield all classes that derive from a method, in the order of their definition."""
    for child in kind.__subclasses__():
        yield child
        yield from _subclasses(child)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def configure(kind: type[Method], settings: Mapping[str, str]) -> Method:
    """Build a method from knobs given as text, such as ``{"expectile": "0.9"}``.

    Raises:
        DeclarationError: For an unknown knob, and for a value that the knob cannot hold.
    """
    declared = knobs(kind)
    fields: dict[str, Any] = {}
    for name, text in settings.items():
        fields[name] = parse_knob(text, declared[name].default) if name in declared else text
    try:
        return kind(**fields)
    except DeclarationError:
        raise
    except Exception as error:  # a user's class, whose own checks fail
        raise DeclarationError(f"{kind.__name__}: {type(error).__name__}: {first_line(error)}") from error


def method_of(content: Mapping[str, Any]) -> Method:
    """Build the configuration of a run's content. A knob that it lacks is younger than the run, and has the value that
    stands for its behaviour.

    Raises:
        DeclarationError: There is no such method, or it has no such knobs.
    """
    kind = find_method(content["method"])
    before = {name: field.metadata["knob"].before for name, field in knobs(kind).items()}
    older = {name: value for name, value in before.items() if value is not None}
    return kind(**{**older, **content["knobs"]})


def parse_knob(text: str, default: object) -> Any:
    """Convert text to the type of the knob's default. Text that does not convert stays; the knob then refuses it."""
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(text.lower(), text)
    if isinstance(default, (int, float)):
        try:
            return type(default)(text)
        except ValueError:
            return text
    return text


def sweep_names() -> list[str]:
    """Return the names of the shipped sweeps, one file each in ``sweeps/``."""
    import sweeps

    return sorted(module.name for module in pkgutil.iter_modules(sweeps.__path__) if not module.name.startswith("_"))


def all_sweeps(scale: str | None) -> list[Sweep]:
    """Return the shipped sweeps, or those that have this scale.

    Raises:
        DeclarationError: If no sweep has the scale.
    """
    sweeps = [load_sweep(name) for name in sweep_names()]
    matching = [sweep for sweep in sweeps if scale is None or scale in sweep.scales]
    if not matching:
        known = dict.fromkeys(name for sweep in sweeps for name in sweep.scales)
        hint = did_you_mean(scale or "", known)
        raise DeclarationError(f"no sweep has a scale {scale!r}; the scales are: {', '.join(known)}{hint}")
    return matching


def load_sweep(name: str) -> Sweep:
    """Return the sweep of that name, or of that file if the name ends in ``.py``.

    Raises:
        DeclarationError: If there is none, or if its file cannot be read; the message says where.
    """
    is_file = name.endswith(".py")
    if name == "all":
        raise DeclarationError(f"'all' is for make plan; sweeps run one at a time: {', '.join(sweep_names())}")
    offers = {} if is_file or name in sweep_names() else installed("sweeps")
    if name in offers:
        return offers[name].load(Sweep)
    if not is_file and name not in sweep_names():
        raise DeclarationError(unknown("sweep", name, [*sweep_names(), *offers], ", or give a .py file"))
    module = load_file(Path(name)) if is_file else _import_sweep(name)
    sweep = getattr(module, "SWEEP", None)
    if isinstance(sweep, type):
        raise DeclarationError(f"sweep {name}: SWEEP is the class {sweep.__name__}; write SWEEP = Sweep(...)")
    if not isinstance(sweep, Sweep):
        raise DeclarationError(f"sweep {name} declares no SWEEP = Sweep(...)")
    check_methods(sweep)
    return sweep


def load_file(path: Path) -> ModuleType:
    """Import a file of a user's, whose methods and tasks are then known by name.

    Raises:
        DeclarationError: If it cannot be read; the message says where.
    """
    import sweeps

    if path.is_file() and str(path.resolve().parent) in sweeps.__path__:
        return _import_sweep(path.stem)
    with _declaration_errors(str(path)):
        return user_code.import_file(path)


def _import_sweep(name: str) -> ModuleType:
    with _declaration_errors(name):
        return importlib.import_module(f"sweeps.{name}")


def check_methods(sweep: Sweep) -> None:
    """Raise :class:`DeclarationError` if a method of the sweep's own has the name of another one.

    Its runs would have the ids of the other one's.
    """
    used = {type(method): method.name for grid in sweep.grids for method in grid.methods}
    own = {kind: name for kind, name in used.items() if kind.__module__.partition(".")[0] not in user_code.OWN}
    if not own:
        return
    known = {*methods().values(), *used}
    for kind, name in own.items():
        if any(other.name == name and other is not kind for other in known):
            raise DeclarationError(f"method {kind.__name__} has the name {name!r} of another method; give it its own")


def find_scale(task_name: str, name: str | None, kind: type[Method] | None = None) -> tuple[str, Scale]:
    """Return a task's scale and its name as its sweep has them, so that a single run of a method is one of the sweep's.

    The sweep is the one of the user's file that has been imported, if that has the task, or else a shipped one: the
    SMORe paper's, or that of :func:`_other_sweep`. Without a name the scale is the sweep's default.

    Raises:
        DeclarationError: For an unknown task or scale.
    """
    if other := _other_sweep(task(task_name), kind):
        scales, usual = dict(other.scales), other.scale(None)
    else:
        scales, usual = importlib.import_module("sweeps._budgets").scales(task_name), DEFAULT_SCALE
    for sweep in (getattr(module, "SWEEP", None) for module in user_code.modules()):
        if isinstance(sweep, Sweep) and task_name in sweep.tasks:
            scales |= sweep.scales
            usual = sweep.scale(None)
    chosen = name or usual
    if chosen not in scales:
        raise DeclarationError(unknown("scale", chosen, scales))
    return chosen, scales[chosen]


def _other_sweep(row: Task, kind: type[Method] | None) -> Sweep | None:
    """Return the shipped sweep that has a task of OGBench's or the images, with scales for it; None for other tasks.

    A task of OGBench's that no sweep has takes the scales of one like it, beyond smoke with a million steps of data,
    which every one of the files holds. Of the two sweeps that have mazes it is the one that has the method.
    """
    if row.name in ogbench_of_one_goal():
        sweep = load_sweep("newer_methods")
        model = next(name for name in sweep.tasks if name in ogbench_of_one_goal())
    elif row.name == "TabletopImages" or (row.name in ogbench() and row.sizes.image):
        sweep, model = load_sweep("images"), "TabletopImages"
    elif row.name in ogbench():
        arm = row.dataset in ("play", "noisy")
        sweep, model = load_sweep("ogbench"), "cube-single-play" if arm else "pointmaze-medium-navigate"
        if not arm and not _has(sweep, kind) and _has(newer := load_sweep("newer_methods"), kind):
            sweep = newer
    else:
        return None

    def like(name: str, scale: Scale) -> Scale:
        budget = scale.budget_of(model)
        if name != "smoke" and row.name != model:
            budget = replace(budget, episodes=1_000_000 // (row.data_steps or row.horizon))
        tuned = {(method, row.name): knobs for (method, place), knobs in scale.tuned.items() if place == model}
        return replace(scale, tasks=[row.name], budget=budget, per_task={}, tuned=tuned)

    return replace(sweep, scales={name: like(name, scale) for name, scale in sweep.scales.items()})


def _has(sweep: Sweep, kind: type[Method] | None) -> bool:
    return any(type(method) is kind for grid in sweep.grids for method in grid.methods)


@contextmanager
def _declaration_errors(sweep: str) -> Iterator[None]:
    """Turn any exception from a sweep's file into a :class:`DeclarationError` that names the line."""
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


class _Deferred(ModuleType):
    """Stand-in for a module that becomes the module when one of its attributes is read.

    (``importlib.util.LazyLoader`` does not work here: an import statement reads the module's spec, which loads it.)
    """

    def __getattr__(self, attribute: str) -> object:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module = importlib.import_module(self.__name__)
        self.__dict__.update(module.__dict__)
        return getattr(module, attribute)


@contextmanager
def deferred(name: str) -> Iterator[None]:
    """Import the module ``name`` at its first use instead of now.

    Sweeps name methods and methods name torch, but neither a plan nor a table needs it. On exit the module counts as
    not imported, which some libraries check.
    """
    if name in sys.modules:
        yield
        return
    stand_in = sys.modules[name] = _Deferred(name)
    try:
        yield
    finally:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
