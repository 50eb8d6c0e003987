"""TD3+BC (Fujimoto and Gu, NeurIPS 2021) with hindsight goals.

Twin critics ``Q1, Q2(s, a, g)`` and a deterministic policy have slow targets. With smoothed target actions
``a' = clip(pi'(s', g) + clip(noise, -c, c), -1, 1)`` and rewards of -1, or 0 at the goal:

    y     = clip(r + discount min(Q1', Q2')(s', a', g), -1/(1-discount), 0)
    L(Q)  = E[(y - Q1)^2] + E[(y - Q2)^2]
    L(pi) = -alpha / E|Q1(s, pi, g)|  E[Q1(s, pi, g)] + E[|pi - a|^2] / action size
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch

from smore_sweep import Method, NetworkSpec, knob, method

if TYPE_CHECKING:
    from smore_sweep import Sizes
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams


@method
class TD3BC(Method):
    """TD3+BC's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "TD3+BC"
    paper: ClassVar[str] = "Fujimoto & Gu, A Minimalist Approach to Offline Reinforcement Learning, NeurIPS 2021"

    alpha: float = knob("weight of the critic against cloning", default=2.5, low=0.0, stackable=True)
    her_ratio: float = knob("share of hindsight goals", default=0.8, low=0.0, high=1.0, stackable=True)
    discount: float = knob("discount of the critics", default=0.98, low=0.0, high=0.9999)
    noise: float = knob("standard deviation of the target actions' noise", default=0.2, low=0.0)
    clip: float = knob("largest such noise", default=0.5, low=0.0)
    learning_rate: float = knob("Adam, all networks", default=3e-4, above=0.0)
    target_rate: float = knob("step of the targets", default=0.005, above=0.0, high=1.0)
    hidden: int = knob("width of the two hidden layers", default=256, low=1)

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        def spec(inputs: int, outputs: int, copies: int) -> NetworkSpec:
            hidden = (self.hidden, self.hidden)
            return NetworkSpec(inputs, outputs, hidden, self.learning_rate, copies=copies, target_rate=self.target_rate)

        state = sizes.observation + sizes.goal
        return {"Q": spec(state + sizes.action, 1, copies=2), "pi": spec(state, sizes.action, copies=1)}

    def rows(self, batch_size: int) -> dict[str, int]:
        # Q trains (three passes), its target bootstraps, the policy climbs it: forwards, and back to the action.
        return {"Q": (3 + 1 + 2) * batch_size, "pi": (3 + 1) * batch_size}

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        batch = replay.batch(replay.goals.future_goals(streams.uniform("rho", 4, batch_size), knobs["her_ratio"]))
        return batch.with_noise(streams.normal("smoothing", batch_size, batch.actions.shape[-1]))  # [M, B, a]

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        states, goals = batch.observations, batch.goals
        assert batch.noise is not None
        noise = (self.noise * batch.noise).clamp(-self.clip, self.clip)
        next_actions = (nets["pi"].target(batch.next_observations, goals).tanh() + noise).clamp(-1.0, 1.0)
        next_values = nets["Q"].target(batch.next_observations, goals, next_actions)[..., 0].amin(0)
        targets = (batch.rewards + self.discount * next_values).clamp(-1.0 / (1.0 - self.discount), 0.0)
        values = nets["Q"](states, goals, batch.actions)[..., 0]  # [2, M, B]
        actions = nets["pi"](states, goals).tanh()
        climbed = nets["Q"].through(states, goals, actions)[0, ..., 0]  # the gradient reaches the actions alone
        weight = knobs["alpha"][:, 0] / climbed.detach().abs().mean(-1)
        cloning = (actions - batch.actions).square().mean(-1).mean(-1)
        losses = {
            "critic": (values - targets).square().mean(-1).sum(0),
            "policy": -weight * climbed.mean(-1) + cloning,
        }
        return losses, {"value": values.detach().mean(-1).mean(0), "cloning": cloning.detach()}
