"""GoFAR with its discriminator reward, but an expectile value and a policy by advantage-weighted regression.

The variant of the SMORe paper's Table 13 that asks whether SMORe's gain comes from its objective or from its way of
solving it. The discriminator ``c`` is GoFAR's (:mod:`baselines.gofar`), and so are the goals, the commanded ones. The
rest is implicit Q-learning on its reward (Kostrikov et al. 2022): a twin critic ``Q`` with a slow target, a value ``V``
and a Gaussian policy.

    L(Q)  = E[(R(ag, g) + discount V(s', g) - Q(s, a, g))^2]        R = c(ag, g), V as a constant
    L(V)  = E[L_expectile(min Q_target - V)]
    L(pi) = -E[min(exp(temperature (min Q_target - V)), 100) log pi(a | s, g)]

Neither formulas nor code of this variant were published. Rates, target and networks are SMORe's, without its LayerNorm
on the value; discount and discriminator are GoFAR's. Deviations from GoFAR's code as in :mod:`baselines.gofar`, and all
losses are differentiated at the same parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch

from baselines.gofar import discriminate, discriminator
from smore_sweep import Method, NetworkSpec, knob, method
from smore_sweep.losses import LOG_STD_RANGE, expectile_loss, exponential_weights, gaussian_log_prob

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes


@method
class GoFARExpectile(Method):
    """The configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "GoFAR (expectile loss+AWR)"
    paper: ClassVar[str] = "Sikchi et al., Score Models for Offline Goal-Conditioned RL, ICLR 2024, Table 13"

    expectile: float = knob("expectile of V", default=0.8, above=0.0, high=0.999, stackable=True)
    temperature: float = knob("inverse temperature of the policy weights", default=3.0, low=0.0, stackable=True)
    discount: float = knob("discount of the critic", default=0.98, low=0.0, high=0.9999, stackable=True)
    learning_rate: float = knob("Adam, critic, value and policy", default=3e-4, above=0.0, stackable=True)
    discriminator_learning_rate: float = knob("Adam, discriminator", default=5e-4, above=0.0, stackable=True)
    gradient_penalty: float = knob("weight of the discriminator's gradient penalty", default=0.01, low=0.0)
    target_rate: float = knob("step of Q's target towards Q, each update", default=0.005, above=0.0, high=1.0)
    hidden: int = knob("width of a hidden layer", default=256, low=1)
    hidden_layers: int = knob("hidden layers (GoFAR's code: 3)", default=2, low=1)
    normalize_inputs: bool = knob("normalise by dataset statistics (release: running statistics)", default=True)

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden = (self.hidden,) * self.hidden_layers
        state = sizes.observation + sizes.goal
        rate = self.learning_rate
        return {
            "Q": NetworkSpec(
                state + sizes.action, 1, hidden, copies=2, target_rate=self.target_rate, learning_rate=rate
            ),
            "V": NetworkSpec(state, 1, hidden, learning_rate=rate),
            "pi": NetworkSpec(state, sizes.action, hidden, log_std=sizes.action, learning_rate=rate, cosine_decay=True),
            "c": discriminator(sizes, hidden, self.discriminator_learning_rate),
        }

    def rows(self, batch_size: int) -> dict[str, int]:
        # Q trains, its target is what V and the policy regress on; V trains at s and bootstraps at s'; c as in GoFAR.
        return {
            "Q": 3 * batch_size + batch_size,
            "V": 3 * batch_size + batch_size,
            "pi": 3 * batch_size,
            "c": 3 * 2 * batch_size + 3 * 2 * batch_size,
        }

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        batch = replay.batch(replay.goals.own_goals(streams.uniform("rho", 2, batch_size)))
        return batch.with_noise(streams.uniform("interpolation", 1, batch_size)[0])

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        states, goals, actions = batch.observations, batch.goals, batch.actions
        discriminator_loss, rewards = discriminate(nets["c"], batch, penalty=self.gradient_penalty)
        targets = rewards + knobs["discount"] * nets["V"].frozen(batch.next_observations, goals)[..., 0]
        residual = targets - nets["Q"](states, goals, actions)[..., 0]
        excess = nets["Q"].target(states, goals, actions)[..., 0].amin(0) - nets["V"](states, goals)[..., 0]
        weights = exponential_weights(excess.detach(), knobs["temperature"])
        log_std = nets["pi"].log_std.clamp(*LOG_STD_RANGE)
        log_prob = gaussian_log_prob(actions, torch.tanh(nets["pi"](states, goals)), log_std)
        losses = {
            "discriminator": discriminator_loss,
            "critic": residual.square().mean(-1).sum(0),
            "value": expectile_loss(excess, knobs["expectile"]).mean(-1),
            "policy": -(weights * log_prob).mean(-1),
        }
        return losses, {"reward_mean": rewards.mean(-1), "weight_mean": weights.mean(-1)}
