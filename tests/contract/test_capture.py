"""A captured update repeats an update: on a CPU, where a tape of operators stands for the CUDA graph."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from baselines.gcsl import GCSL
from smore_sweep.errors import UserError
from smore_sweep.method import Method
from smore_sweep.smore import SMORe
from smore_sweep.training.capture import AUTO, GRAPH, WARM_UP, Update, Updates, chosen
from tests.contract.members import assert_equal, every_method, saved, stack, trained


def tensors(*trees: object) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(trees) if isinstance(leaf, torch.Tensor)]


class Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps each operator with its tensors, as a CUDA graph keeps kernels with addresses."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[tuple[Any, Any, Any, list[torch.Tensor]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        memory = {tensor.untyped_storage().data_ptr() for tensor in tensors(args, kwargs)}
        fresh = [tensor.untyped_storage().data_ptr() not in memory for tensor in tensors(result)]
        if func._schema.is_mutable or any(fresh):  # otherwise the result is a view, which stays as it is
            self.calls.append((func, args, kwargs, tensors(result) if any(fresh) else []))
        return result

    def replay(self) -> None:
        with torch.no_grad():
            for func, args, kwargs, results in self.calls:
                again = tensors(func(*args, **kwargs))
                for kept, value in zip(results, again, strict=False):
                    kept.copy_(value)


class TapeRecorder:
    """Records on a CPU. The update's work is done while it is recorded, so it is undone afterwards."""

    def __init__(self, learner: Any) -> None:
        self._learner = learner

    def run(self, update: Update) -> None:
        update()

    def record(self, update: Update) -> Update:
        step, before = int(self._learner.step), saved(self._learner)
        tape = Tape()
        with tape:
            update()
        self._learner.load(before, step)
        return tape.replay


class BrokenRecorder(TapeRecorder):
    """Fails after the backward pass, whose gradients then lie in memory that no kernel has written."""

    def record(self, update: Update) -> Update:
        for net in self._learner.nets.values():
            net.flat.grad = torch.full_like(net.flat, 1e3)
        raise RuntimeError("operation not permitted when stream is capturing\nmore")


@pytest.fixture(autouse=True)
def dispatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes by PyTorch's kernels, as on a GPU; a tape does not see compiled ones."""
    monkeypatch.setenv("SMORE_SWEEP_KERNELS", "torch")


@every_method
def test_replayed_updates_equal_eager_ones(method: Method) -> None:
    """Also after a restored state, which must reach the captured tensors."""
    learner, eager = stack(method), stack(method)
    update = Updates(learner, AUTO, TapeRecorder(learner))
    for _ in range(WARM_UP + 3):
        update()
    learner.load(saved(learner), WARM_UP + 3)
    update()
    trained(eager, WARM_UP + 4)
    for replayed, expected in zip(learner.state(), eager.state(), strict=True):
        assert_equal(replayed, expected)
    assert {name: list(value) for name, value in learner.metrics().items()} == {
        name: list(value) for name, value in eager.metrics().items()
    }


def test_a_failed_capture_goes_on_eagerly_and_says_so() -> None:
    learner = stack(SMORe(hidden=16))
    update = Updates(learner, AUTO, BrokenRecorder(learner))
    for _ in range(WARM_UP + 2):
        update()
    assert update.problem.endswith("take longer: operation not permitted when stream is capturing")
    for state, expected in zip(learner.state(), trained(stack(SMORe(hidden=16)), WARM_UP + 2).state(), strict=True):
        assert_equal(state, expected)


def test_a_failed_capture_that_was_asked_for_is_an_error() -> None:
    learner = stack(GCSL(hidden=16))
    update = Updates(learner, GRAPH, BrokenRecorder(learner))
    for _ in range(WARM_UP):
        update()
    with pytest.raises(RuntimeError, match="not permitted"):
        update()


def test_a_graph_without_a_gpu_and_an_unknown_setting_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="'graph' needs a GPU; this process trains on cpu"):
        Updates(stack(GCSL(hidden=16)), GRAPH)
    monkeypatch.setenv("SMORE_SWEEP_CUDA_GRAPH", "always")
    with pytest.raises(UserError, match="'always' is not valid; it must be one of auto, graph, eager"):
        chosen()
