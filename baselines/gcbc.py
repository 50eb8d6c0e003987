"""GCBC: goal-conditioned behaviour cloning, as OGBench has it.

    L(pi) = -E[ log pi(a|s, g) ] = E[ |a - mu(s, g)|^2 ] / 2 + constant

``g`` is a later state of the episode, uniformly, on all datasets. Frame and deviations: :mod:`baselines._ogbench`.
GCSL (:mod:`baselines.gcsl`) is the same idea with a tanh policy, achieved goals up to the last, and normalised inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch

from baselines import _ogbench
from smore_sweep import Method, NetworkSpec, knob, method

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes


@method
class GCBC(Method):
    """GCBC's configuration; the module's docstring gives the equation."""

    name: ClassVar[str] = "GCBC"
    paper: ClassVar[str] = _ogbench.PAPER

    learning_rate: float = knob("Adam", default=3e-4, above=0.0, stackable=True)
    hidden: int = knob("width of a hidden layer", default=512, low=1)
    hidden_layers: int = knob("hidden layers", default=3, low=1)
    normalize_inputs: bool = knob("normalise by dataset statistics", default=False)

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        return {"pi": _ogbench.policy_network(sizes, (self.hidden,) * self.hidden_layers, self.learning_rate)}

    def rows(self, batch_size: int) -> dict[str, int]:
        return {"pi": 3 * batch_size}

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        uniform = streams.uniform("rho", 6, batch_size)
        return replay.batch(replay.goals.mixed_goals(uniform, _ogbench.policy_goals(random=0.0)))

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        means = nets["pi"](batch.observations, batch.goals)
        return {"policy": -_ogbench.log_prob(batch.actions, means).mean(-1)}, {}

    def act(self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
        return _ogbench.act(nets, observations, goals)
