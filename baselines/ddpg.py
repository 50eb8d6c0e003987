"""DDPG with hindsight goals, trained on a fixed dataset: an actor-critic without any guard against unseen actions.

A critic ``Q(s, a, g)`` and a deterministic policy, each with a slow target (``Q'``, ``pi'``):

    y     = clip(r + discount Q'(s', pi'(s', g), g), -1/(1-discount), 0)        r in {-1, 0}
    L(Q)  = E[(y - Q(s, a, g))^2]
    L(pi) = -E[Q(s, pi(s, g), g)] + action_l2 E[pi(s, g)^2]

It is a reference point and not a method of the SMORe paper: it shows how far the reward and hindsight go without an
offline method (Lillicrap et al. 2016; Andrychowicz et al. 2017). WGCSL and Actionable Models, whose code grew out of
it, share its networks and targets.

Deviations from GoFAR's released code (its ``ddpg`` agent):

* The share of hindsight goals is 0.8, HER's own; the release's default is 0.5 (``her_ratio=0.5``).
* Inputs are normalised by the statistics of the whole dataset, not by running ones.
* Two hidden layers, as everywhere here; the release has three (``hidden_layers=3``).

The release's order, policy before critic, changes nothing: the critic's targets come from the slow copies alone.
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
class DDPG(Method):
    """DDPG+HER's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "DDPG+HER"
    paper: ClassVar[str] = "Andrychowicz et al., Hindsight Experience Replay, NeurIPS 2017"

    her_ratio: float = knob(
        "share of hindsight goals (GoFAR's code: 0.5)", default=0.8, low=0.0, high=1.0, stackable=True
    )
    action_l2: float = knob("weight of the actions' mean square", default=1.0, low=0.0, stackable=True)
    discount: float = knob("discount of the critic", default=0.98, low=0.0, high=0.9999, stackable=True)
    learning_rate: float = knob("Adam, both networks", default=1e-3, above=0.0, stackable=True)
    target_rate: float = knob("step of the targets (polyak 0.95)", default=0.05, above=0.0, high=1.0)
    target_period: int = knob("updates between two steps of the targets", default=20, low=1)
    hidden: int = knob("width of a hidden layer", default=256, low=1)
    hidden_layers: int = knob("hidden layers (release: 3)", default=2, low=1)
    normalize_inputs: bool = knob("normalise by dataset statistics (release: running statistics)", default=True)

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden = (self.hidden,) * self.hidden_layers
        return actor_critic(sizes, hidden, self.learning_rate, self.target_rate, self.target_period)

    def rows(self, batch_size: int) -> dict[str, int]:
        # Q trains, its target bootstraps, the policy climbs it: forwards, and back to the action.
        return {"Q": 3 * batch_size + batch_size + 2 * batch_size, "pi": 3 * batch_size + batch_size}

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        return replay.batch(replay.goals.future_goals(streams.uniform("rho", 4, batch_size), knobs["her_ratio"]))

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        states, goals = batch.observations, batch.goals
        scores = nets["Q"](states, goals, batch.actions)[..., 0]
        targets = td_targets(batch.rewards, bootstrap(nets, batch.next_observations, goals), knobs)
        policy_actions = torch.tanh(nets["pi"](states, goals))
        climbed = nets["Q"].through(states, goals, policy_actions)[..., 0]
        losses = {
            "critic": (targets - scores).square().mean(-1),
            "policy": -climbed.mean(-1) + knobs["action_l2"][:, 0] * policy_actions.square().mean(-1).mean(-1),
        }
        return losses, {"score_mean": scores.detach().mean(-1), "climbed_mean": climbed.detach().mean(-1)}


def actor_critic(
    sizes: Sizes, hidden: tuple[int, ...], learning_rate: float, target_rate: float, target_period: int
) -> dict[str, NetworkSpec]:
    """Declare ``Q(s, g, a)`` and a deterministic ``pi(s, g)``, both with targets, as in GoFAR's code."""

    def spec(inputs: int, outputs: int) -> NetworkSpec:
        return NetworkSpec(
            inputs, outputs, hidden, learning_rate,
            init="xavier", target_rate=target_rate, target_period=target_period,
        )  # fmt: skip

    state = sizes.observation + sizes.goal
    return {"Q": spec(state + sizes.action, 1), "pi": spec(state, sizes.action)}


def bootstrap(nets: Networks, next_observations: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
    """Return ``Q'(s', pi'(s', g), g)`` of the targets, ``[M, B]``, without gradient."""
    actions = torch.tanh(nets["pi"].target(next_observations, goals))
    return nets["Q"].target(next_observations, goals, actions)[..., 0]


def td_targets(
    rewards: torch.Tensor,
    next_values: torch.Tensor,
    knobs: Mapping[str, torch.Tensor],
    *,
    highest: torch.Tensor | float = 0.0,
) -> torch.Tensor:
    """Return ``r + discount Q'``, ``[M, B]``, clipped to ``[-1/(1-discount), highest]``. Discounted sums of rewards
    of -1 and 0 lie in ``[-1/(1-discount), 0]``."""
    targets = rewards + knobs["discount"] * next_values
    return targets.clamp(min=-knobs["effective_horizon"]).clamp(max=highest)
