"""Updates on a pretend GPU: ``python -m tests.contract.pretend_gpu methods|faults`` prints faults by name, as JSON.

PyTorch's Python backend stands for the GPU, and fake tensors for its memory: operators run through the dispatcher and
compute shapes, devices and types, no numbers. The registration cannot be undone, so it needs a process of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorDeviceMismatchError,
    FakeTensorMode,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from baselines.gcsl import GCSL
from smore_sweep.method import Method
from smore_sweep.training.learner import Learner
from tests.contract import members
from tests.contract.members import METHODS, stack

Losses = tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]


class _Backend:
    """The module ``torch.pretend``. It says that no device is there, so nothing tries to start one."""

    def is_available(self) -> bool:
        return False

    def is_initialized(self) -> bool:
        return True

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 1

    def manual_seed_all(self, seed: int) -> None:
        pass

    def _is_in_bad_fork(self) -> bool:
        return False


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes tensors on the CPU or of double precision, and each operator with its shapes and numbers."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.faults: dict[str, None] = {}
        self.calls: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.namespace != "aten":  # the profiler's marks
            return result
        for leaf in tree_leaves((args, kwargs, result)):
            if isinstance(leaf, torch.Tensor):
                if leaf.device.type == "cpu":
                    self.faults[f"{func}: a tensor on the CPU"] = None
                if leaf.dtype == torch.float64:
                    self.faults[f"{func}: float64"] = None
        self.calls.append(f"{func} {tree_map(_described, (args, kwargs))}")
        return result


def _described(leaf: object) -> object:
    return (leaf.shape, leaf.dtype) if isinstance(leaf, torch.Tensor) else leaf


def faults(make: Callable[[], Learner]) -> list[str]:
    """Return what keeps the second and third updates from being captured as a CUDA graph."""
    watches = [_Watch(), _Watch()]
    with FakeTensorMode(allow_non_fake_inputs=True):
        try:
            learner = make()
            learner.update()
            for watch in watches:
                with watch:
                    learner.update()
        except (DataDependentOutputException, DynamicOutputShapeException) as error:
            return [*watches[0].faults, f"{error.func}: the host reads the device"]
        except FakeTensorDeviceMismatchError as error:
            return [*watches[0].faults, f"{error.func}: a tensor on the CPU"]
    second, third = (watch.calls for watch in watches)
    changed = [f"{a}, then {b}" for a, b in zip(second, third, strict=False) if a != b]
    if changed or len(second) != len(third):
        return [*watches[0].faults, f"two updates differ: {' '.join(changed[:1])}"]
    return [*watches[0].faults]


def _losing(before: Callable[[torch.Tensor], object]) -> Callable[[], Learner]:
    """Return a stack of GCSL whose losses first call ``before`` with the observations."""

    class Faulty(GCSL):
        def losses(self, nets: Any, batch: Any, knobs: Any) -> Losses:
            before(batch.observations)
            return super().losses(nets, batch, knobs)

    return lambda: stack(Faulty(hidden=16))


def _changed(change: Callable[[Learner], object]) -> Callable[[], Learner]:
    """Return a stack of GCSL to which ``change`` was made after its first update."""

    def make() -> Learner:
        learner = stack(GCSL(hidden=16))
        learner.update()
        change(learner)
        return learner

    return make


def _branch(observations: torch.Tensor) -> None:
    if (observations > 0).any():
        observations.abs()


def _step_on_the_cpu(learner: Learner) -> None:
    learner._streams.step = torch.zeros((), dtype=torch.int64)


def _rate_on_the_cpu(learner: Learner) -> None:
    for moments in learner._moments.values():
        moments._rates = {rate: tensor.cpu() for rate, tensor in moments._rates.items()}


def _offsets_on_the_cpu(learner: Learner) -> None:
    learner._streams._offsets = {count: offsets.cpu() for count, offsets in learner._streams._offsets.items()}


_COUNT = [0]


def _counted(observations: torch.Tensor) -> torch.Tensor:
    _COUNT[0] += 1
    return observations * _COUNT[0]


def _growing(observations: torch.Tensor) -> torch.Tensor:
    _COUNT[0] += 1
    return observations[:, : _COUNT[0]].exp()


def _online(method: Method) -> Learner:
    """Return a stack in the online phase, which the host's bridge and episodes began."""
    learner = stack(method, room=2)
    learner._online = True
    return learner


PLANTED: dict[str, Callable[[], Learner]] = {
    "item": _losing(lambda observations: observations.mean().item()),
    "branch": _losing(_branch),
    "to the host": _losing(lambda observations: observations.cpu()),
    "boolean index": _losing(lambda observations: observations[observations > 0]),
    "nonzero": _losing(lambda observations: observations.nonzero()),
    "constant on the CPU": _losing(lambda observations: observations * torch.tensor(2.0)),
    "double precision": _losing(lambda observations: observations.double().sum()),
    "number of the step": _losing(_counted),
    "growing shape": _losing(_growing),
    "step on the CPU": _changed(_step_on_the_cpu),
    "learning rate on the CPU": _changed(_rate_on_the_cpu),
    "offsets on the CPU": _changed(_offsets_on_the_cpu),
}
"""Stacks with one fault each."""


def main(which: str) -> None:
    """Print the faults of every method, or of the stacks that have one."""
    _setup_privateuseone_for_python_backend("pretend", _Backend())
    library: Any = torch.library.Library("aten", "IMPL", "Meta")  # type: ignore[no-untyped-call]
    library.impl("_fused_adam_.tensor_lr", lambda *_, **__: None)
    members.CPU = torch.device("pretend", 0)
    cases = PLANTED
    if which == "methods":
        cases = {str(number): partial(stack, method) for number, method in enumerate(METHODS)}
        online = {number: method for number, method in enumerate(METHODS) if method.learns_online}
        cases |= {f"{number} online": partial(_online, method) for number, method in online.items()}
    print(json.dumps({name: faults(make) for name, make in cases.items()}))


if __name__ == "__main__":
    main(sys.argv[1])
