"""The contract of a method: a frozen configuration whose knobs are declared once, with range and default.

A method is one file. It holds a frozen configuration (a subclass of :class:`Method`, decorated with
:func:`method`), the loss functions, and three short descriptions of how they are used: which networks are trained,
which batch is sampled, and which scalar losses are minimised. :mod:`smore_sweep.training.learner` does the rest.

This module knows nobody and imports only the standard library, so that a sweep can be planned without torch.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform

from smore_sweep.errors import DeclarationError

if TYPE_CHECKING:
    import torch

    from smore_sweep.stacked.network_spec import NetworkSpec
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.tasks import Sizes


POLICY = "pi"
"""The network that every method acts with."""


@dataclasses.dataclass(frozen=True)
class Knob:
    """What a field of a configuration may hold. ``low`` and ``high`` are inclusive, ``above`` is exclusive. ``before``
    is what runs did before the knob existed: at that value it is left out of a run's content, and their ids stay."""

    help: str = ""
    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    choices: tuple[str, ...] = ()
    stackable: bool = False
    before: object = None

    def describe(self) -> str:
        """The valid values in words, for help texts and error messages."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        left = f"({self.above:g}" if self.above > -math.inf else f"[{self.low:g}" if self.low > -math.inf else "(-inf"
        right = f"{self.high:g}]" if self.high < math.inf else "inf)"
        return f"in {left}, {right}"

    def check(self, owner: str, name: str, value: object, default: object) -> None:
        """Raise :class:`DeclarationError` if ``value`` is not valid for the field ``name`` of ``owner``."""
        if self.choices:
            valid = value in self.choices
        elif isinstance(default, bool):
            valid = isinstance(value, bool)
        elif isinstance(default, int):
            valid = isinstance(value, int) and not isinstance(value, bool) and self._contains(value)
        else:
            valid = isinstance(value, (int, float)) and not isinstance(value, bool) and self._contains(value)
        if not valid:
            kind = "true or false" if isinstance(default, bool) else self.describe()
            whole = "a whole number " if isinstance(default, int) and not isinstance(default, bool) else ""
            raise DeclarationError(f"{owner}: {name} = {value!r} is not valid; it must be {whole}{kind}")

    def _contains(self, value: float) -> bool:
        return math.isfinite(value) and value >= self.low and value > self.above and value <= self.high


def knob(
    help: str,
    *,
    default: Any,
    low: float = -math.inf,
    high: float = math.inf,
    above: float = -math.inf,
    choices: Sequence[str] = (),
    stackable: bool = False,
    before: object = None,
) -> Any:
    """Declare a configuration field: its only default, what it means, what it may hold, whether runs that differ in it
    may train in one stack and, if the method had results before it had this field, what they were made with."""
    info = Knob(help, low, high, above, tuple(choices), stackable, before)
    info.check("default", "value", default, default)
    return dataclasses.field(default=default, metadata={"knob": info})


class Method:
    """Base of all method configurations. Subclasses are frozen dataclasses made by :func:`method`."""

    name: ClassVar[str]
    """Name in tables, as the paper writes it."""
    paper: ClassVar[str]
    """Where the method comes from, in one line."""

    # What every learner needs to know; each method's file declares these with its own defaults.
    if TYPE_CHECKING:
        discount: float
        learning_rate: float
        hidden: int
        normalize_inputs: bool

        def __init__(self, **fields: Any) -> None: ...

    @property
    def label(self) -> str:
        """Name in tables: the name, plus the knobs that differ from their defaults."""
        return self.name + "".join(f" {k}={v}" for k, v in self.changed().items())

    def changed(self) -> dict[str, Any]:
        """The fields that differ from their defaults."""
        return {k: v for k, v in self.fields().items() if v != knobs(type(self))[k].default}

    def fields(self) -> dict[str, Any]:
        """All fields, by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    def content(self) -> dict[str, Any]:
        """The fields that make up a run's content."""
        declared = knobs(type(self))
        return {k: v for k, v in self.fields().items() if v != declared[k].metadata["knob"].before}

    @property
    def revision(self) -> int:
        """Raised, for the configurations concerned, when a mistake in a method is mended: part of a run's content if
        above 1, so that what was made with the mistake is another run. (What concerns all methods is the protocol.)"""
        return 1

    def by_task(self, task: str) -> Mapping[str, Any]:
        """Knobs that the method's paper sets by task, with their values for this one. A sweep uses them for the knobs
        that it leaves alone; a configuration that was changed or varied in such a knob keeps its own value."""
        return {}

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        """The networks that are trained, by name. ``sizes`` are the task's dimensions."""
        raise NotImplementedError

    def rows(self, batch_size: int) -> dict[str, int]:
        """How many rows pass through each network in one update, in units of a forward pass (a backward pass counts
        two). With the networks' sizes this gives the floating-point operations of an update."""
        raise NotImplementedError

    def flops(self, sizes: Sizes, batch_size: int) -> int:
        """Floating-point operations of the matrix products of one update of one member."""
        networks = self.networks(sizes)
        return sum(networks[name].flops(rows) for name, rows in self.rows(batch_size).items())

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        """One batch for every member of the stack. ``knobs`` holds the stackable fields, each of shape ``[M, 1]``."""
        raise NotImplementedError

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """``(losses, info)``: each value has shape ``[M]``. All losses are differentiated at the same parameters, and
        each member's mean loss is summed over members, never averaged: a stack must not couple its members."""
        raise NotImplementedError

    def act(self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
        """Deterministic actions in [-1, 1], ``[M, B, action]``, for normalised inputs ``[M, B, .]``: the policy's
        output, squashed. Of the networks only :data:`POLICY` may be used: it is what is kept of a done run."""
        return nets[POLICY].frozen(observations, goals).tanh()


M = TypeVar("M", bound=type[Method])


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(knob,))
def method(cls: M) -> M:
    """Make ``cls`` a frozen dataclass that refuses unknown fields and invalid values with a
    :class:`DeclarationError`."""
    if cls.__module__ not in sys.modules:  # it is being read from a sweep file, which no worker has
        raise DeclarationError(
            f"the method {cls.__name__} is declared in a sweep file; a method is a file in baselines/"
        )
    made = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
    initialise: Callable[..., None] = made.__init__

    def checked(self: Method, **fields: Any) -> None:
        declared = knobs(made)
        for name in fields:
            if name not in declared:
                raise DeclarationError(f"{made.name} has no field {name!r}; it has: {', '.join(sorted(declared))}")
        initialise(self, **fields)
        for name, field in declared.items():
            value = getattr(self, name)
            field.metadata["knob"].check(made.name, name, value, field.default)
            if isinstance(field.default, float):
                object.__setattr__(self, name, float(value))  # 1 and 1.0 are one run

    made.__init__ = checked  # type: ignore[method-assign]
    return made  # type: ignore[return-value]


def knobs(cls: type[Method]) -> dict[str, dataclasses.Field[Any]]:
    """The declared fields of a method's configuration, by name."""
    return {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]


def stackable_knobs(cls: type[Method]) -> tuple[str, ...]:
    """Names of the fields in which the members of one stack may differ."""
    return tuple(name for name, field in knobs(cls).items() if field.metadata["knob"].stackable)
