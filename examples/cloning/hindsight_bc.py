"""Behaviour cloning in hindsight: regress the action that led towards a goal reached later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch

from smore_sweep import Method, NetworkSpec, knob, method

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes


@method
class HindsightBC(Method):
    """L(pi) = E[(pi(s, g) - a)^2], g an achieved goal of the same episode's future with probability her_ratio."""

    name: ClassVar[str] = "HindsightBC"
    paper: ClassVar[str] = "an example"

    her_ratio: float = knob("share of hindsight goals", default=1.0, low=0.0, high=1.0, stackable=True)
    learning_rate: float = knob("Adam", default=5e-4, above=0.0)
    hidden: int = knob("width of the two hidden layers", default=256, low=1)
    normalize_inputs: bool = knob("normalise by dataset statistics", default=True)

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        inputs = sizes.observation + sizes.goal
        return {"pi": NetworkSpec(inputs, sizes.action, (self.hidden,) * 2, learning_rate=self.learning_rate)}

    def rows(self, batch_size: int) -> dict[str, int]:
        return {"pi": 3 * batch_size}  # one forward and one backward pass, which counts two

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        return replay.batch(replay.goals.future_goals(streams.uniform("rho", 4, batch_size), knobs["her_ratio"]))

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        error = torch.tanh(nets["pi"](batch.observations, batch.goals)) - batch.actions
        return {"policy": error.square().mean(-1).mean(-1)}, {}
