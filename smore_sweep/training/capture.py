"""Updates of a stack, on a GPU replayed as one captured CUDA graph.

An eager update launches some hundreds of kernels, each by Python; small stacks wait for them. A captured update is one
launch. Capture needs an update without host reads, on tensors that stay in place, of shapes that stay the same; the
tests hold every method to that on a CPU.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from smore_sweep.errors import UserError, first_line

if TYPE_CHECKING:
    import torch

    from smore_sweep.training.learner import Learner

SETTING = "SMORE_SWEEP_CUDA_GRAPH"
"""Environment variable that chooses how a GPU runs updates."""
AUTO, GRAPH, EAGER = "auto", "graph", "eager"
CHOICES = (AUTO, GRAPH, EAGER)
WARM_UP = 3
"""Updates before the capture, which allocate what lasts. They count: they are the run's first ones."""

Update = Callable[[], None]


class Recorder(Protocol):
    """Records the work of an update on a device."""

    def run(self, update: Update) -> None:
        """Do an update before the capture."""
        ...

    def record(self, update: Update) -> Update:
        """Return what repeats the update's work; the work itself is not done."""
        ...


class _CudaRecorder:
    def __init__(self, device: torch.device) -> None:
        import torch

        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def run(self, update: Update) -> None:
        import torch

        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            update()
        torch.cuda.current_stream().wait_stream(self._stream)

    def record(self, update: Update) -> Update:
        import torch

        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream):
            update()
        return graph.replay


def chosen() -> str:
    """Return the setting's value.

    Raises:
        UserError: It has no such value.
    """
    value = os.environ.get(SETTING) or AUTO
    if value not in CHOICES:
        raise UserError(f"{SETTING} = {value!r} is not valid; it must be one of {', '.join(CHOICES)}")
    return value


class Updates:
    """Call it for one update of a learner.

    Args:
        learner: The learner.
        setting: ``graph`` captures after :data:`WARM_UP` updates, ``eager`` never does, ``auto`` does on a GPU and
            stays eager if that fails.
        recorder: Records the work; the device's own by default.

    Raises:
        UserError: ``graph`` is asked for without a GPU.
    """

    def __init__(self, learner: Learner, setting: str, recorder: Recorder | None = None) -> None:
        gpu = learner.device.type == "cuda"
        if setting == GRAPH and not gpu and recorder is None:
            raise UserError(f"{SETTING} = 'graph' needs a GPU; this process trains on {learner.device.type}")
        self._learner = learner
        self._required = setting == GRAPH
        self._recorder = recorder or (_CudaRecorder(learner.device) if gpu and setting != EAGER else None)
        self._warm = 0
        self._replay: Update | None = None
        self.problem = ""
        """Why updates stay eager although a capture was tried: one sentence, or nothing."""

    def __call__(self) -> None:
        """Do one update."""
        if self._replay is not None:
            self._replay()
        elif self._recorder is None:
            self._learner.update()
        elif self._warm < WARM_UP:
            self._warm += 1
            self._recorder.run(self._learner.update)
        else:
            self._capture(self._recorder)
            self()

    def facts(self) -> dict[str, str]:
        """Return what a run's last digits depend on where it trains on a GPU, for its record."""
        if self._learner.device.type != "cuda":
            return {}
        import torch

        return {
            "gpu": torch.cuda.get_device_name(self._learner.device),
            "padded_stack": str(self._learner.members),
            "updates": EAGER if self._recorder is None else GRAPH,
        }

    def _capture(self, recorder: Recorder) -> None:
        try:
            self._replay = recorder.record(self._learner.update)
        except RuntimeError as error:
            if self._required:
                raise
            self._recorder = None
            for net in self._learner.nets.values():
                net.flat.grad = None  # of the graph's memory, which was never computed: the next update would add to it
            self.problem = f"updates are not captured as a CUDA graph and take longer: {first_line(error)}"
