"""GCSL: goal-conditioned supervised learning (Ghosh et al., ICLR 2021), in hindsight behaviour cloning.

In hindsight, any state that an episode reaches later was its goal, and its actions were good ones for it:

    L(pi) = E[(pi(s_t, g) - a_t)^2]        g an achieved goal of the same episode's future, uniform over t+1 .. T

Deviations:

* The paper is online, with binned actions and cross-entropy. This is the offline form of the WGCSL and GoFAR code, the
  one that the SMORe paper compares with: a tanh policy and squared error.
* Inputs are normalised by the statistics of the whole dataset, not by running ones.
* Two hidden layers, as everywhere here; GoFAR's code has three (``hidden_layers=3``).
"""

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
class GCSL(Method):
    """GCSL's configuration; the module's docstring gives the equation."""

    name: ClassVar[str] = "GCSL"
    paper: ClassVar[str] = "Ghosh et al., Learning to Reach Goals via Iterated Supervised Learning, ICLR 2021"

    her_ratio: float = knob("share of hindsight goals", default=1.0, low=0.0, high=1.0, stackable=True)
    learning_rate: float = knob("Adam", default=5e-4, above=0.0, stackable=True)
    hidden: int = knob("width of a hidden layer", default=256, low=1)
    hidden_layers: int = knob("hidden layers (GoFAR's code: 3)", default=2, low=1)
    normalize_inputs: bool = knob("normalise by dataset statistics (release: running statistics)", default=True)

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden = (self.hidden,) * self.hidden_layers
        rate = self.learning_rate
        return {
            "pi": NetworkSpec(sizes.observation + sizes.goal, sizes.action, hidden, init="xavier", learning_rate=rate)
        }

    def rows(self, batch_size: int) -> dict[str, int]:
        return {"pi": 3 * batch_size}

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        return replay.batch(replay.goals.future_goals(streams.uniform("rho", 4, batch_size), knobs["her_ratio"]))

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        error = torch.tanh(nets["pi"](batch.observations, batch.goals)) - batch.actions
        return {"policy": error.square().mean(-1).mean(-1)}, {}
