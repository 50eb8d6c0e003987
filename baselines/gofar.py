"""GoFAR: offline goal-conditioned RL via f-advantage regression (Ma et al., NeurIPS 2022).

A discriminator ``c(ag, g)`` tells achieved goals from commanded ones and gives the reward; a value ``V(s, g)`` with a
slow target minimises a dual objective; a deterministic policy regresses the data's actions, weighted by the value's
residual:

    L(c)  = BCE(c(g, g), 1) + BCE(c(ag, g), 0) + 0.01 E[(|grad c| - 1)^2]      R = log sigma(c) - log(1 - sigma(c)) = c
    e     = R + discount V_target(s', g) - V(s, g)
    L(V)  = (1-discount) E[V(s_0, g)] + E[(e+1)^2]          w = max(e+1, 0)                (chi-square)
          = (1-discount) E[V(s_0, g)] + log E[exp e]        w = min(exp e, 10)             (KL)
    L(pi) = E[ w (pi(s, g) - a)^2 ]

There is no hindsight: goals are the commanded ones. ``reward="binary"`` puts the environment's {-1, 0} in R's place
(the sparse-reward variant of the SMORe paper's Table 13).

Deviations from the released code:

* It alternates 20 discriminator steps and 20 value and policy steps, each on a batch of its own. Here every update
  makes one step of each, on the same batch: the same numbers of steps, one pass of the discriminator instead of two.
* It normalises inputs by running statistics of the batches; here they are those of the whole dataset (same floor and
  clip).
* The reward is the logit itself: ``log(sigmoid) - log(1 - sigmoid)`` overflows beyond a logit of 17.
* ``log mean exp`` is a log-sum-exp, for the same reason.
* Two hidden layers, as Table 4 of the SMORe paper gives for all methods; the released code has three
  (``hidden_layers=3``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch

from smore_sweep import Method, NetworkSpec, knob, method
from smore_sweep.errors import DeclarationError
from smore_sweep.losses import log_mean_exp

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Network, Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes

KL_WEIGHT_CLIP = 10.0


@method
class GoFAR(Method):
    """GoFAR's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "GoFAR"
    paper: ClassVar[str] = "Ma et al., Offline Goal-Conditioned RL via f-Advantage Regression, NeurIPS 2022"

    divergence: str = knob("the f of the dual objective", default="chi_square", choices=("chi_square", "kl"))
    reward: str = knob("where the reward comes from", default="discriminator", choices=("discriminator", "binary"))
    discount: float = knob("discount of the value", default=0.98, low=0.0, high=0.9999, stackable=True)
    learning_rate: float = knob("Adam, value and policy", default=1e-3, above=0.0, stackable=True)
    discriminator_learning_rate: float = knob("Adam, discriminator", default=5e-4, above=0.0, stackable=True)
    gradient_penalty: float = knob("weight of the discriminator's gradient penalty", default=0.01, low=0.0)
    target_rate: float = knob("step of V's target towards V (polyak 0.95)", default=0.05, above=0.0, high=1.0)
    target_period: int = knob("updates between two steps of the target", default=20, low=1)
    hidden: int = knob("width of a hidden layer", default=256, low=1)
    hidden_layers: int = knob("hidden layers (release: 3)", default=2, low=1)
    normalize_inputs: bool = knob("normalise by dataset statistics (release: running statistics)", default=True)

    def __post_init__(self) -> None:
        for name in ("gradient_penalty", "discriminator_learning_rate"):
            if self.reward == "binary" and name in self.changed():
                raise DeclarationError(f"GoFAR: reward = 'binary' has no {name}; only 'discriminator' has")

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden = (self.hidden,) * self.hidden_layers
        state = sizes.observation + sizes.goal
        rate = self.learning_rate
        nets = {
            "V": NetworkSpec(
                state, 1, hidden, init="xavier", learning_rate=rate,
                target_rate=self.target_rate, target_period=self.target_period,
            ),
            "pi": NetworkSpec(state, sizes.action, hidden, init="xavier", learning_rate=rate),
        }  # fmt: skip
        if self.reward == "discriminator":
            nets["c"] = discriminator(sizes, hidden, self.discriminator_learning_rate)
        return nets

    def rows(self, batch_size: int) -> dict[str, int]:
        # V trains at s and s_0; c at the two classes, and through its input gradient, a second forward pass.
        rows = {"V": 3 * 2 * batch_size + batch_size, "pi": 3 * batch_size}
        if self.reward == "discriminator":
            rows["c"] = 3 * 2 * batch_size + 3 * 2 * batch_size
        return rows

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        batch = replay.batch(replay.goals.own_goals(streams.uniform("rho", 2, batch_size)), initial=True)
        return batch.with_noise(streams.uniform("interpolation", 1, batch_size)[0])

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        assert batch.initial_observations is not None
        rows = batch.actions.shape[1]
        goals = batch.goals
        losses, rewards = {}, batch.rewards
        if self.reward == "discriminator":
            losses["discriminator"], rewards = discriminate(nets["c"], batch, penalty=self.gradient_penalty)

        states = torch.cat([batch.observations, batch.initial_observations], 1)
        values = nets["V"](states, torch.cat([goals, goals], 1))[..., 0]
        next_values = nets["V"].target(batch.next_observations, goals)[..., 0]
        residual = rewards + knobs["discount"] * next_values - values[:, :rows]
        losses["value"] = value_loss(self.divergence, residual, values[:, rows:], knobs["effective_horizon"][:, 0])
        weights = regression_weights(self.divergence, residual).detach()
        error = (torch.tanh(nets["pi"](batch.observations, goals)) - batch.actions).square().mean(-1)
        losses["policy"] = (weights * error).mean(-1)
        return losses, {"value_mean": values.detach().mean(-1), "weight_mean": weights.mean(-1)}


def discriminator(sizes: Sizes, hidden: tuple[int, ...], learning_rate: float) -> NetworkSpec:
    """Declare the network ``c(ag, g)``."""
    return NetworkSpec(2 * sizes.goal, 1, hidden, init="xavier", activation="tanh", learning_rate=learning_rate)


def discriminate(net: Network, batch: Batch, *, penalty: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the discriminator's loss ``[M]``, and the reward ``R(ag, g)`` ``[M, B]`` as a constant. The batch's noise
    ``[M, B]`` places the gradient penalty's points between the two classes."""
    assert batch.noise is not None
    rows = batch.actions.shape[1]
    goals, achieved = batch.goals, batch.achieved_goals
    logits = net(torch.cat([torch.cat([goals, goals], -1), torch.cat([achieved, goals], -1)], 1))[..., 0]
    mixed = achieved + batch.noise[..., None] * (goals - achieved)
    slope = net.input_gradient(torch.cat([mixed, goals], -1))
    loss = discriminator_loss(logits[:, :rows], logits[:, rows:], slope, penalty=penalty)
    return loss, logits[:, rows:].detach()


def discriminator_loss(
    on_goals: torch.Tensor, on_achieved: torch.Tensor, slope: torch.Tensor, *, penalty: float
) -> torch.Tensor:
    """Return the discriminator's loss, ``[...]``.

    Args:
        on_goals: logits at (g, g), ``[..., B]``.
        on_achieved: logits at (ag, g), ``[..., B]``.
        slope: input gradients in between, ``[..., B, 2g]``.
        penalty: weight of the gradient penalty.
    """
    excess = torch.linalg.vector_norm(slope, dim=-1) - 1.0
    log_sigmoid = torch.nn.functional.logsigmoid
    cross_entropy = -log_sigmoid(on_goals) - log_sigmoid(-on_achieved)
    loss: torch.Tensor = cross_entropy.mean(-1) + penalty * excess.square().mean(-1)
    return loss


def value_loss(
    divergence: str, residual: torch.Tensor, initial: torch.Tensor, effective_horizon: torch.Tensor
) -> torch.Tensor:
    """Return the dual objective ``[M]`` of the residual ``e`` and the initial ``V(s_0)``, both ``[M, B]``;
    ``effective_horizon`` is ``1 / (1 - discount)``, ``[M]``."""
    start = initial.mean(-1) / effective_horizon
    if divergence == "chi_square":
        return start + (residual + 1.0).square().mean(-1)
    return start + log_mean_exp(residual)


def regression_weights(divergence: str, residual: torch.Tensor) -> torch.Tensor:
    """Return the policy's weights ``f*'(e)``, element by element."""
    if divergence == "chi_square":
        return torch.relu(residual + 1.0)
    return torch.exp(residual.clamp(max=KL_WEIGHT_CLIP)).clamp(max=KL_WEIGHT_CLIP)
