"""Settings of a training process."""

import threading

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
