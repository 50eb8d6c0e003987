"""A method for the tests that fails on demand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from baselines.gcsl import GCSL
from smore_sweep.method import knob, method

if TYPE_CHECKING:
    import torch

    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch

WELL, RAISES = 0.0, 1.0
UPDATES: Counter[str] = Counter()
"""Count of updates in this process, because a method has no state."""


@method
class Faulty(GCSL):
    """GCSL that raises after 150 updates in a process, if one of a stack's runs says so."""

    name: ClassVar[str] = "Faulty"
    fault: float = knob("0: well, 1: raises", default=WELL, low=0.0, high=1.0, stackable=True)

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        UPDATES["all"] += 1
        if RAISES in knobs["fault"] and UPDATES["all"] > 150:
            raise ValueError("[boom]\nand more of it")
        return super().losses(nets, batch, knobs)
