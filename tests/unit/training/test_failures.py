"""What an error of training says."""

from typing import Any

import pytest
import torch

from smore_sweep.training.failures import describe, still_works


def test_an_error_is_one_line() -> None:
    assert describe(ValueError("no such joint\nmore")) == "ValueError: no such joint"


def test_short_memory_of_a_gpu_comes_with_what_helps() -> None:
    said = describe(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."))
    assert said.endswith("Tried to allocate 2 GiB; give a smaller --stack-size, or more --gpus-per-stack")


@pytest.mark.parametrize(
    ("error", "works"),
    [
        (None, True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (AssertionError("Torch not compiled with CUDA enabled"), False),
    ],
)
def test_a_broken_context_is_told_from_a_full_one(
    error: Exception | None, works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def zeros(*_: Any, **__: Any) -> torch.Tensor:
        if error:
            raise error
        return torch.ones(())

    monkeypatch.setattr(torch, "zeros", zeros)
    assert still_works() == works
