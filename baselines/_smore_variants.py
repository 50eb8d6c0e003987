"""The common frame of SMORe's variants that are methods of their own: their knobs, samplers and revision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from smore_sweep import Method, knob, method
from smore_sweep.smore import commanded_goals_revision, rho_and_q

if TYPE_CHECKING:
    import torch

    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams


@method
class SMOReVariant(Method):
    """A score and a policy that are trained on rho and q, without a value network."""

    beta: float = knob("mixture ratio of q and rho", default=0.5, above=0.0, high=1.0, stackable=True)
    her_ratio: float = knob("share of hindsight goals", default=0.8, low=0.0, high=1.0, stackable=True)
    discount: float = knob("discount of the score", default=0.99, low=0.0, high=0.9999, stackable=True)
    learning_rate: float = knob("Adam, both networks", default=3e-4, above=0.0, stackable=True)
    hidden: int = knob("width of a hidden layer", default=256, low=1)
    hidden_layers: int = knob("hidden layers", default=2, low=1)
    normalize_inputs: bool = knob("normalise by dataset statistics", default=True)

    @property
    def revision(self) -> int:
        return commanded_goals_revision(self.her_ratio)

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        """Sample ``batch_size`` transitions of rho, followed by as many of q."""
        rho, q = rho_and_q(replay, streams, knobs["her_ratio"], batch_size)
        return replay.batch(rho.joined(q))
