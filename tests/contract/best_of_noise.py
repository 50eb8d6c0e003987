"""A method that acts by two networks and random numbers, as none that ships does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch

from smore_sweep.method import Method, knob, method
from smore_sweep.stacked.network_spec import NetworkSpec

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Draws, Streams
    from smore_sweep.task import Sizes


@method
class BestOfNoise(Method):
    """``pi(s, g, noise)`` proposes actions and a twin critic of the rewards chooses one, which then climbs it:

    L(pi) = E[(pi(s, g, z) - a)^2],  L(Q) = E[(Q(s, a, g) - r)^2],  a* = argmax_i Q(s, a_i, g),  a* + step dQ/da.
    """

    name: ClassVar[str] = "BestOfNoise"
    paper: ClassVar[str] = "none; for the tests"

    samples: int = knob("proposed actions", default=4, low=1, test_time=True)
    step: float = knob("step up the critic", default=0.1, low=0.0, test_time=True)
    her_ratio: float = knob("share of hindsight goals", default=0.8, low=0.0, high=1.0, stackable=True)
    learning_rate: float = knob("Adam", default=1e-3, above=0.0)
    hidden: int = knob("width of the two hidden layers", default=32, low=1)

    @property
    def acts_with(self) -> tuple[str, ...]:
        return ("pi", "Q")

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        inputs, hidden = sizes.observation + sizes.goal + sizes.action, (self.hidden, self.hidden)
        return {
            "pi": NetworkSpec(inputs, sizes.action, hidden, self.learning_rate),
            "Q": NetworkSpec(inputs, 1, hidden, self.learning_rate, copies=2, target_rate=0.01),
        }

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        batch = replay.batch(replay.goals.future_goals(streams.uniform("rho", 4, batch_size), knobs["her_ratio"]))
        return batch.with_noise(streams.normal("noise", batch_size, batch.actions.shape[-1]))

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        assert batch.noise is not None
        proposed = nets["pi"](batch.observations, batch.goals, batch.noise).tanh()
        values = nets["Q"](batch.observations, batch.goals, batch.actions)[..., 0]
        return {
            "policy": (proposed - batch.actions).square().mean(-1).mean(-1),
            "critic": (values - batch.rewards).square().mean(-1).sum(0),
        }, {}

    def sample_actions(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, draws: Draws
    ) -> torch.Tensor:
        rows = observations.shape[1]
        noise = draws.normal("proposals", self.samples, nets["pi"].spec.outputs).flatten(1, 2)
        states, wanted = (inputs.repeat_interleave(self.samples, 1) for inputs in (observations, goals))
        proposed = nets["pi"].frozen(states, wanted, noise).tanh()
        values = nets["Q"].frozen(states, wanted, proposed)[..., 0].amin(0).view(rows, self.samples)
        actions = proposed.view(rows, self.samples, -1)[torch.arange(rows), values.argmax(-1)][None]
        with torch.enable_grad():
            climbing = actions.requires_grad_()
            value = nets["Q"].through(observations, goals, climbing).amin(0).sum()
            (gradient,) = torch.autograd.grad(value, climbing)
        return actions.detach() + self.step * gradient
