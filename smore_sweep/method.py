"""The contract of a method: a frozen configuration whose knobs are declared once, with range and default.

A method is one file. It holds a frozen configuration (a subclass of :class:`Method`, decorated with
:func:`method`), the loss functions, and three short descriptions of their use: the networks to train, the batch to
sample, and the scalar losses to minimise. :mod:`smore_sweep.training.learner` does the rest.

This module imports only the standard library and the errors, so that a sweep can be planned without torch.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform

from smore_sweep.errors import DeclarationError

if TYPE_CHECKING:
    import torch

    from smore_sweep.stacked.encoder_spec import EncoderSpec
    from smore_sweep.stacked.experience import Experience
    from smore_sweep.stacked.network_spec import NetworkSpec
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Draws, Streams
    from smore_sweep.task import Sizes


POLICY = "pi"
"""The network that a method acts with unless it says otherwise."""


@dataclasses.dataclass(frozen=True)
class Knob:
    """The valid values of a configuration's field.

    Attributes:
        help: the field's meaning, in words.
        low: smallest value, inclusive.
        high: largest value, inclusive.
        above: lower bound, exclusive.
        choices: the valid strings, of a field that holds one.
        stackable: whether runs that differ in the field may train in one stack.
        test_time: whether the field concerns acting alone. Runs that differ in such fields train once.
        before: the behaviour of runs from before the field existed. At this value the field is left out of a run's
            content, so the ids of those runs stay.
    """

    help: str = ""
    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    choices: tuple[str, ...] = ()
    stackable: bool = False
    test_time: bool = False
    before: object = None

    def describe(self) -> str:
        """Describe the valid values in words, for help texts and error messages."""
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
            number = "a whole number " if isinstance(default, int) and not isinstance(default, bool) else ""
            raise DeclarationError(f"{owner}: {name} = {value!r} is not valid; it must be {number}{kind}")

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
    test_time: bool = False,
    before: object = None,
) -> Any:
    """Declare a configuration field: its only default, and the rest as in :class:`Knob`."""
    info = Knob(help, low, high, above, tuple(choices), stackable, test_time, before)
    info.check("default", "value", default, default)
    if stackable and test_time:
        raise DeclarationError("a knob is stackable, which concerns training, or of test time, and not both")
    return dataclasses.field(default=default, metadata={"knob": info})


class Method:
    """Base of all method configurations. Subclasses are frozen dataclasses made by :func:`method`."""

    normalize_inputs: bool = True
    """Whether inputs are normalised by the statistics of the dataset; a method may declare a knob of this name."""

    name: ClassVar[str]
    """Name in tables, as the paper writes it."""
    paper: ClassVar[str] = ""
    """The method's source, in one line."""
    whole_goals: ClassVar[bool] = False
    """Whether it takes goals as observations, so that it needs tasks whose goals are whole observations."""
    learns_online: ClassVar[bool] = False
    """Whether it can go on online (:class:`~smore_sweep.run_spec.Budget`): it then has :meth:`begin_online`,
    :meth:`online_losses` and :meth:`explore`."""

    # Knobs that most methods declare.
    if TYPE_CHECKING:
        discount: float
        learning_rate: float
        hidden: int

        def __init__(self, **fields: Any) -> None: ...

    @property
    def label(self) -> str:
        """Name in tables, plus the knobs that differ from their defaults."""
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

    def as_trained(self) -> Method:
        """The configuration that trains: this one, with the knobs of test time at their defaults."""
        declared = knobs(type(self))
        changed = {name: declared[name].default for name in self.changed() if declared[name].metadata["knob"].test_time}
        return dataclasses.replace(self, **changed) if changed else self  # type: ignore[type-var]

    @property
    def revision(self) -> int:
        """Number that a fix of a mistake raises for the configurations concerned. Above 1 it is part of a run's
        content, so a run made with the mistake is another run. (A fix that concerns all methods raises the protocol.)
        """
        return 1

    def by_task(self, task: str) -> Mapping[str, Any]:
        """Knobs that the method's paper sets by task, with their values for ``task``. A sweep applies them to the knobs
        it leaves alone; a configuration that changes or varies such a knob keeps its own value."""
        return {}

    def networks(self, sizes: Sizes) -> Mapping[str, NetworkSpec | EncoderSpec]:
        """Return the trained networks by name. ``sizes`` are the task's dimensions."""
        raise NotImplementedError

    def rows(self, batch_size: int) -> dict[str, int]:
        """Return the rows that pass through each network in one update, in units of a forward pass (a backward pass
        counts two). With the networks' sizes this gives the floating-point operations of an update, for estimates.
        A network that is left out counts as trained on one batch."""
        return {}

    def flops(self, sizes: Sizes, batch_size: int) -> int:
        """Return the floating-point operations of the matrix products of one member's update."""
        rows = self.rows(batch_size)
        return sum(net.flops(rows.get(name, 3 * batch_size)) for name, net in self.networks(sizes).items())

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        """Sample one batch for every member of the stack. ``knobs`` holds the stackable fields, ``[M, 1]`` each."""
        raise NotImplementedError

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Compute the losses and diagnostics of a batch.

        All losses are differentiated at the same parameters. The members' losses are summed, never averaged: a stack
        must not couple its members.

        Returns:
            ``(losses, info)``, of shape ``[M]`` for each entry.
        """
        raise NotImplementedError

    def begin_online(self, nets: Networks, experience: Experience, streams: Streams) -> None:
        """Change the networks in place as the online phase needs them, before its first episode. ``experience`` holds
        the datasets under the task's reward (:class:`~smore_sweep.stacked.experience.Experience`)."""
        raise NotImplementedError

    def online_losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """As :meth:`losses`, of a batch of ``experience`` in the online phase. Networks that they leave out stand
        still."""
        raise NotImplementedError

    def explore(self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, draws: Draws) -> torch.Tensor:
        """Return actions as :meth:`sample_actions` does, of the episodes that are collected online."""
        raise NotImplementedError

    @property
    def acts_with(self) -> tuple[str, ...]:
        """Names of the networks that act. Their trained parameters are what is kept of a done run; targets are not.
        They depend on no knob that is stackable or of test time."""
        return (POLICY,)

    @property
    def remembers(self) -> int:
        """Number of the data's states that a policy keeps for acting, drawn for each run from its own dataset. It
        depends on no knob that is stackable or of test time."""
        return 0

    def recall(self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
        """Return ``draws.remembered``, what acting has of the remembered states, from their observations and achieved
        goals ``[1, n, .]`` as the networks see them: here the observations. A policy calls it once."""
        return observations

    def act(self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
        """Return deterministic actions in [-1, 1], ``[M, B, action]``, for normalised inputs ``[M, B, .]``: the
        policy's output, squashed. ``nets`` are the networks of :attr:`acts_with`, ``M`` is 1."""
        return nets[POLICY].frozen(observations, goals).tanh()

    def sample_actions(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, draws: Draws
    ) -> torch.Tensor:
        """Return actions as :meth:`act` does, which is what it calls. A method whose actions depend on random numbers
        overrides this, and takes them from ``draws``."""
        return self.act(nets, observations, goals)


M = TypeVar("M", bound=type[Method])


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(knob,))
def method(cls: M) -> M:
    """Make ``cls`` a frozen dataclass that refuses unknown fields and invalid values with a
    :class:`DeclarationError`."""
    if not issubclass(cls, Method):
        raise DeclarationError(f"the class {cls.__name__} is decorated with @method and must derive from Method")
    configuration = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
    for field in dataclasses.fields(configuration):  # type: ignore[arg-type]
        if "knob" not in field.metadata:
            raise DeclarationError(
                f"the method {cls.__name__} declares {field.name} without knob(); write it as "
                f'{field.name}: {getattr(field.type, "__name__", field.type)} = knob("its meaning", default=...)'
            )
    initialise: Callable[..., None] = configuration.__init__

    def checked(self: Method, **fields: Any) -> None:
        declared = knobs(configuration)
        for name in fields:
            if name not in declared:
                raise DeclarationError(
                    f"{configuration.name} has no field {name!r}; it has: {', '.join(sorted(declared))}"
                )
        initialise(self, **fields)
        for name, field in declared.items():
            value = getattr(self, name)
            field.metadata["knob"].check(configuration.name, name, value, field.default)
            if isinstance(field.default, float):
                object.__setattr__(self, name, float(value))  # 1 and 1.0 are one run

    configuration.__init__ = checked  # type: ignore[method-assign]
    return configuration  # type: ignore[return-value]


def check_complete(configuration: Method) -> None:
    """Raise :class:`DeclarationError` unless the configuration's class is decorated and has every part of a method."""
    kind = type(configuration)
    if "__dataclass_fields__" not in vars(kind):
        raise DeclarationError(f"the class {kind.__name__} is not a method yet; put @method above it")
    if not isinstance(getattr(kind, "name", None), str):
        raise DeclarationError(f'the method {kind.__name__} has no name; give it one for tables: name = "..."')
    needed = ["networks", "sample", "losses"]
    needed += ["begin_online", "online_losses", "explore"] if kind.learns_online else []
    lacking = [part for part in needed if getattr(kind, part) is getattr(Method, part)]
    if lacking:
        raise DeclarationError(f"the method {kind.__name__} lacks {' and '.join(f'{part}()' for part in lacking)}")


def knobs(cls: type[Method]) -> dict[str, dataclasses.Field[Any]]:
    """Return the declared fields of a method's configuration by name."""
    return {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]


def stackable_knobs(cls: type[Method]) -> tuple[str, ...]:
    """Return the names of the fields in which the members of one stack may differ."""
    return tuple(name for name, field in knobs(cls).items() if field.metadata["knob"].stackable)


def test_time_knobs(cls: type[Method]) -> tuple[str, ...]:
    """Return the names of the fields that concern acting alone."""
    return tuple(name for name, field in knobs(cls).items() if field.metadata["knob"].test_time)
