"""A trial of Tune, in the process of the test."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from smore_sweep.bench.synthetic import make_budget, make_runs
from smore_sweep.execution import shipping, trainable
from smore_sweep.planning.stacks import Stack
from smore_sweep.smore import SMORe

STACK = Stack(make_runs(SMORe(hidden=8), range(3), make_budget(8, updates=4)))


def trial(recorder: Any, monkeypatch: pytest.MonkeyPatch, *, gpu: bool = False) -> list[dict[str, Any]]:
    """Run the trial of the stack; return what it reports."""
    reported: list[dict[str, Any]] = []
    monkeypatch.setattr(trainable.tune, "report", reported.append)
    packed = shipping.pack(([STACK], {}, {run.run_id: {} for run in STACK.runs}))
    trainable._train_stack(
        {"stack": 0}, packed, shared={STACK.runs[0].task: (None, {STACK.runs[0].expert_share: "x"})},
        recorder=recorder, git="0", gpu=gpu, padded=None, updates="auto", evaluators=0, keep_learner=False,
        history=[()],
    )  # fmt: skip
    return reported


def test_a_gpu_that_pytorch_cannot_use_stops_the_sweep_with_that_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (report,) = trial(None, monkeypatch, gpu=True)
    assert "given a GPU that its PyTorch cannot use; install a CUDA build" in report["stop"]
