"""Actionable Models (Chebotar et al., ICML 2021): goal chaining and a conservative critic.

A critic ``Q(s, a, g)`` and a deterministic policy have slow targets (``Q'``, ``pi'``). Half of the batch keeps its
hindsight goals. In the other half the goals are exchanged among the samples (*goal chaining*). Whether such a goal can
be reached from there is unknown, so the critic's own value stands in for the unknown return. Unseen actions that look
good are pushed down: ``a~`` is one of 10 uniform actions, drawn with probability ``softmax Q(s, ., g)``.

The code that GoFAR's authors released differs from the paper, so each is a variant. ``"release"`` is the default,
because it gave the published numbers of the comparison. Its rewards are -1, or 0 at the goal:

    r     = the reward                          first half
          = Q(s, a, g), as a constant           second half
    y     = clip(r + discount Q'(s', pi'(s', h), h), -1/(1-discount), 0)
    L(Q)  = E[(y - Q(s, a, g))^2] + E[Q(s, a~, g)]

where ``h`` is the goal that the row had before the exchange (in the first half ``h = g``): the release exchanges the
current input's goals only. In ``"paper"`` (section 4) the critic is the discounted chance to reach the goal, and only
an episode's last transition is chained:

    y     = 1                                   where s' is at the goal
          = Q(s, a, g), as a constant           second half, last transition of its episode
          = discount Q'(s', pi'(s', g), g)      else
    L(Q)  = 1/2 E[(y - Q(s, a, g))^2] + 1/2 E[Q(s, a~, g)^2]

A chained transition's target is its own value, so it teaches nothing; chaining keeps such a value from being pulled
down by a bootstrap beyond the episode. (The clip of y to [0, 1], which a chance cannot leave, is ours.)
In both ``L(pi) = -E[Q(s, pi(s, g), g)]``. The paper's proposals are from its policy search; ours are uniform in both.

This is the extraction ``gradient`` (:mod:`smore_sweep.extraction`). Of the others there are ``gradient_bc``, which also
changes the policy that the critic bootstraps with, and ``sampling``, with a flow beside that policy. ``awr`` would need
a value to compare with.

Deviations from the release:

* All goals are hindsight goals before chaining. The release intends that for a method whose name contains "AM", but its
  own instructions spell the name otherwise and get 0.5 (``her_ratio=0.5``).
* Inputs are normalised by the statistics of the whole dataset, not by running ones.
* Two hidden layers, as everywhere here; the release has three (``hidden_layers=3``).

The release's order, policy before critic, changes nothing: the critic's loss does not know the trained policy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch

from baselines.ddpg import actor_critic, bootstrap, td_targets
from smore_sweep import NetworkSpec, knob, method
from smore_sweep.extraction import ExtractingMethod, climbing_loss, sampling_loss
from smore_sweep.stacked.flow import flow_noise, velocity_network

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Network, Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes

PROPOSALS = 10


@method
class AM(ExtractingMethod):
    """Actionable Models' configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "AM"
    paper: ClassVar[str] = "Chebotar et al., Actionable Models: Unsupervised Offline RL of Robotic Skills, ICML 2021"
    critics: ClassVar[tuple[str, ...]] = ("Q",)
    flow: ClassVar[str] = "flow"

    variant: str = knob("whose equations", default="release", choices=("release", "paper"), before="release")
    extraction: str = knob(
        "how the policy is extracted from Q", default="gradient", choices=("gradient", "gradient_bc", "sampling"),
        before="gradient",
    )  # fmt: skip
    bc_weight: float = knob("weight of cloning in 'gradient_bc'", default=0.4, low=0.0, stackable=True, before=0.4)
    her_ratio: float = knob("share of hindsight goals, before chaining", default=1.0, low=0.0, high=1.0, stackable=True)
    discount: float = knob("discount of the critic", default=0.98, low=0.0, high=0.9999, stackable=True)
    learning_rate: float = knob("Adam, both networks", default=1e-3, above=0.0, stackable=True)
    target_rate: float = knob("step of the targets (polyak 0.95)", default=0.05, above=0.0, high=1.0)
    target_period: int = knob("updates between two steps of the targets", default=20, low=1)
    hidden: int = knob("width of a hidden layer", default=256, low=1)
    hidden_layers: int = knob("hidden layers (release: 3)", default=2, low=1)
    normalize_inputs: bool = knob("normalise by dataset statistics (release: running statistics)", default=True)

    @property
    def revision(self) -> int:
        """The release's chained half was bootstrapped at the exchanged goals once."""
        return 2 if self.variant == "release" else 1

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden = (self.hidden,) * self.hidden_layers
        nets = actor_critic(sizes, hidden, self.learning_rate, self.target_rate, self.target_period)
        if self.extraction == "sampling":
            nets["flow"] = velocity_network(sizes.observation + sizes.goal, sizes.action, hidden, self.learning_rate)
        return nets

    def rows(self, batch_size: int) -> dict[str, int]:
        # Q trains on data and negatives and scores the proposals; its target bootstraps; the policy climbs it.
        return {
            "Q": 3 * 2 * batch_size + PROPOSALS * batch_size + batch_size + 2 * batch_size,
            "pi": 3 * batch_size + batch_size,
            "flow": 3 * batch_size,
        }

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        """Sample ``batch_size`` transitions, the second half with exchanged goals. The noise ``[M, B, 10, A + 1]`` has
        the proposals, uniform in [-1, 1], and for each a uniform number in [0, 1) for the draw; an 11th row is the
        flow's."""
        drawn = replay.goals.future_goals(streams.uniform("rho", 4, batch_size), knobs["her_ratio"])
        half = batch_size // 2
        order = streams.uniform("chaining", 1, batch_size - half)[0].argsort(dim=-1, stable=True)
        goals = torch.cat([drawn.goal[:, :half], drawn.goal[:, half:].gather(-1, order)], -1)
        batch = replay.batch(dataclasses.replace(drawn, goal=goals))
        if self.variant == "release":
            batch = dataclasses.replace(batch, bootstrap_goals=replay.goals_of(drawn))
        else:
            batch = dataclasses.replace(batch, last=drawn.time == replay.horizon - 1)
        *proposals, luck = streams.uniform("negatives", batch.actions.shape[-1] + 1, batch_size, PROPOSALS)
        noise = torch.stack([*(2.0 * u - 1.0 for u in proposals), luck], -1)
        if self.extraction == "sampling":
            own = flow_noise(streams, "flow", batch_size, batch.actions.shape[-1])
            noise = torch.cat([noise, own[:, :, None]], 2)
        return batch.with_noise(noise)

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        assert batch.noise is not None
        states, goals = batch.observations, batch.goals
        rows = batch.actions.shape[1]
        half = rows // 2
        negatives = self._negatives(nets["Q"], states, goals, batch.noise[:, :, :PROPOSALS])
        scores = nets["Q"](
            torch.cat([states, states], 1), torch.cat([goals, goals], 1), torch.cat([batch.actions, negatives], 1)
        )[..., 0]
        on_data, on_negatives = scores[:, :rows], scores[:, rows:]
        bootstrap_goals = goals if batch.bootstrap_goals is None else batch.bootstrap_goals
        next_values, chained = bootstrap(nets, batch.next_observations, bootstrap_goals), on_data.detach()[:, half:]
        if self.variant == "release":
            rewards = torch.cat([batch.rewards[:, :half], chained], -1)
            targets = td_targets(rewards, next_values, knobs)
            critic = (targets - on_data).square().mean(-1) + on_negatives.mean(-1)
        else:
            assert batch.last is not None
            unknown = knobs["discount"] * next_values
            unknown[:, half:] = torch.where(batch.last[:, half:], chained, unknown[:, half:])
            targets = torch.where(batch.rewards == 0.0, 1.0, unknown.clamp(0.0, 1.0))
            critic = 0.5 * (targets - on_data).square().mean(-1) + 0.5 * on_negatives.square().mean(-1)
        means = torch.tanh(nets["pi"](states, goals))
        weight = knobs["bc_weight"] if self.extraction == "gradient_bc" else None
        losses = {
            "critic": critic,
            "policy": climbing_loss(self.score(nets, states, goals, means), means, batch.actions, weight),
        }
        if self.extraction == "sampling":
            losses["flow"] = sampling_loss(nets["flow"], states, goals, batch.actions, batch.noise[:, :, PROPOSALS])
        return losses, {"score_mean": on_data.detach().mean(-1), "negative_mean": on_negatives.detach().mean(-1)}

    def score(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, actions: torch.Tensor
    ) -> torch.Tensor:
        return nets["Q"].through(observations, goals, actions)[..., 0]

    @staticmethod
    def _negatives(critic: Network, states: torch.Tensor, goals: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Draw one of each state's proposed actions, ``[M, B, A]``, with probability ``softmax Q``."""

        def repeated(x: torch.Tensor) -> torch.Tensor:
            return x.repeat_interleave(PROPOSALS, 1)

        proposals, luck = noise[..., :-1], noise[..., -1]
        scores = critic.frozen(repeated(states), repeated(goals), proposals.flatten(1, 2))
        index = softmax_draw(scores.view(luck.shape), luck)
        return proposals.gather(2, index[..., None, None].expand(-1, -1, 1, proposals.shape[-1]))[:, :, 0]


def softmax_draw(logits: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """Draw indices ``[...]`` with probability ``softmax`` of the logits ``[..., K]``, from as many uniform numbers in
    [0, 1): the largest of logit plus Gumbel noise. A uniform number of 0 is noise of minus infinity, never drawn."""
    return (logits - torch.log(-torch.log(uniform))).argmax(-1)
