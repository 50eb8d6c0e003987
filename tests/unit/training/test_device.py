"""Settings of a training process."""

import threading

import pytest
import torch

from smore_sweep.training import device


def test_the_thread_that_trains_flushes_denormal_numbers() -> None:
    """CRL's logits sink to -80 and below, where exp() gives denormal numbers; its update took four times as long. The
    setting is the thread's own, so the test has one."""
    smallest: list[float] = []

    def trains() -> None:
        torch.set_flush_denormal(False)  # a thread begins with its parent's
        device.prepare(torch.device("cpu"))
        smallest.append(torch.full((64,), -90.0).exp().sum().item())

    thread = threading.Thread(target=trains)
    thread.start()
    thread.join()
    assert smallest == [0.0]


def test_a_gpu_computes_in_single_precision_and_in_a_fixed_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolutions use TF32 unless told otherwise, and cuDNN's gradients add up in any order: on an H200 methods with
    images differed from a CPU by 10% of an update, and from themselves."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("high")
        device.prepare(torch.device("cuda"))
        assert torch.get_float32_matmul_precision() == "highest"
        assert not torch.backends.cudnn.allow_tf32
        assert torch.backends.cudnn.deterministic
    finally:
        torch.set_float32_matmul_precision(before)
