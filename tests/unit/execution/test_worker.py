"""A worker without a driver, in the process of the test."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from smore_sweep.execution import worker
from smore_sweep.execution.worker import FAILED, Request, work
from smore_sweep.planning.choices import AS_DECLARED


@pytest.fixture(autouse=True)
def _this_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a worker run here: it sets signals, hides GPUs, and ends with its parent."""
    signals = (signal.SIGUSR1, signal.SIGALRM, signal.SIGTERM)
    before = [signal.getsignal(each) for each in signals]
    monkeypatch.setattr(worker, "_end_with_parent", lambda: None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    yield
    for each, handler in zip(signals, before, strict=True):
        signal.signal(each, handler)


def request(results: Path) -> Request:
    return Request("quickstart", None, AS_DECLARED, results, "job", "0", slots=1, largest=1, grace=1.0)


def test_a_gpu_that_pytorch_cannot_use_ends_a_worker_with_that_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        work(request(tmp_path), "0")
    assert ended.value.code == FAILED
    assert "given a GPU that its PyTorch cannot use; install a CUDA build" in capsys.readouterr().out
    assert not list((tmp_path / "workers").iterdir())
