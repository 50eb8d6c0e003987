"""FRE: functional reward encoding (Frans, Park, Abbeel and Levine, ICML 2024), asked for goals.

A policy for every reward function ``r``: an encoder reads ``r`` off 32 states with their rewards, and gives a code
``z``. A decoder ``d`` tells the rewards of 8 other states by it, so that ``z`` holds what there is to know of ``r``:

    m, l        = Encoder({(x_i, r(x_i))}),    z = m + exp(l) eps,    eps ~ N(0, I)
    L(encoder)  = E[ (d(z, x_j) - r(x_j))^2 ] + 0.01 E[ (exp(2 l) + m^2 - 1) / 2 - l ]

The encoder (:mod:`baselines._attention`) transforms the set of the states' and rewards' embeddings; the mean of what
comes out is mapped to ``m`` and ``l``. Rewards are cut into 32 bins for it. A third each of a batch's functions are

* goals: -1, and 0 at the goal, where the episode ends. It is one of the 32 states: the transition's own one (0.2), a
  later one (0.5) or any (0.3). It is also one of the 8 states to decode;
* linear, with uniform weights of which about 90% are 0, clipped to [-1, 1] or to [0, 1];
* networks of random weights with one layer of 32, clipped to [-1, 1].

Of the 32 states the first is the transition's own, 7 are later ones of its episode, and the rest are any.

In the first ``encoder_share`` of the updates the encoder and the decoder are trained. After it they stand still, and
the others learn by IQL with the code ``m`` of the transition's function, as a constant:

    L(U)  = E[ |expectile - 1(u < 0)| u^2 ],    u = min_k Q'_k(s, a, m) - U(s, m)
    L(Q)  = sum_k E[ (r(s) + discount mask U(s', m) - Q_k(s, a, m))^2 ]                     (U as a constant)
    L(pi) = -E[ min(exp(temperature (min_k Q_k(s, a, m) - U(s, m))), 100) log pi(a|s, m) ]  (Q and U as constants)

It acts on a goal by the code of that goal's reward, from the goal and 31 states that a run draws from its data and
keeps in its record.

Source: the paper, and the code (kvfrans/fre, ``experiment``) at commit 2f0e5c5. Deviations:

* States that rewards are functions of are achieved goals; on tasks whose goals are whole observations these are all of
  a state, as in the paper. A state is at the goal if its achieved goal is the same, not if it is near.
* Both parts' losses are computed in every update, and what stands still ignores them: a captured update cannot branch.
* Random networks are new for each sample; the code chooses among 10,000. Linear functions may weigh every coordinate.
* The code's divergence takes ``l`` for a log variance, and its sample for a log deviation. Here it is the latter.
* The embeddings of a state and its reward are added and not put side by side. Networks of values have GELU, and
  LayerNorm after it, in place of mish, and LayerNorm before it; the policy's has ReLU, and none.
* The code's policy acts with noise where its temperature is not 0; here by its mean.
* Inputs are normalised. The code takes them as they are; of a maze's coordinates of 0 to 20 a third of the linear
  functions would be almost constant, clipped. On its maze none weighs the place, and Q, U and pi see each of the
  place's coordinates as 32 tanh of its distance to fixed points. Random networks are those of the code, so that of few
  normalised inputs they vary less: half of those of two are almost constant, where a fifth are on a maze's coordinates.
* On tasks that are not OGBench's, whose episodes here have 50 steps, the discount is 0.98 (``by_task``).
* Targets follow each update; the code's lag behind it by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from baselines import _ogbench
from baselines._attention import attention_flops, transform, transformer_networks
from smore_sweep import Method, NetworkSpec, knob, method
from smore_sweep.losses import LOG_STD_RANGE, expectile_loss, exponential_weights, gaussian_log_prob
from smore_sweep.method import POLICY
from smore_sweep.stacked.goal_mixture import GoalMixture
from smore_sweep.stacked.goals import Transitions
from smore_sweep.stacked.products import matmul
from smore_sweep.stacked.replay import Batch

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Replay
    from smore_sweep.stacked.rng import Draws, Streams
    from smore_sweep.task import Sizes

PAIRS, OWN, DECODED = 32, 8, 8
"""States that a function is read off, those of them that are of the transition's episode, and those to decode."""
BINS = 32
KL_WEIGHT = 0.01
CURRENT, FUTURE, RANDOM = 0.2, 0.5, 0.3
"""Shares of the goals."""
ZERO_WEIGHTS = 0.9
RANDOM_HIDDEN, RANDOM_BIAS, RANDOM_OUT = 32, 4.0, 0.25
"""Random networks: width, and standard deviations of their biases and last weights."""


@dataclass(frozen=True)
class LabelledBatch(Batch):
    """A batch with a reward function for each transition.

    Attributes:
        states: the achieved goals of :data:`PAIRS` states, the transition's own first, and of :data:`DECODED` others,
            ``[M, B, 40, g]``.
        labels: their rewards, ``[M, B, 40]``.
    """

    states: torch.Tensor | None = None
    labels: torch.Tensor | None = None


@method
class FRE(Method):
    """FRE's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "FRE"
    paper: ClassVar[str] = "Frans et al., Unsupervised Zero-Shot RL via Functional Reward Encodings, ICML 2024"

    latent: int = knob("size of a reward's code, and width of the encoder", default=128, low=2)
    encoder_share: float = knob("share of updates that train the encoder", default=0.15, above=0.0, high=0.9)
    expectile: float = knob("expectile of U", default=0.8, above=0.0, high=0.999, stackable=True)
    temperature: float = knob("inverse temperature of the policy weights", default=3.0, low=0.0, stackable=True)
    discount: float = knob("discount of the values, and of later states", default=0.99, above=0.0, high=0.9999)
    target_rate: float = knob("step of the targets, each update", default=0.001, above=0.0, high=1.0)
    learning_rate: float = knob("Adam, all networks", default=1e-4, above=0.0, stackable=True)
    hidden: int = knob("width of a hidden layer", default=512, low=1)
    hidden_layers: int = knob("hidden layers", default=3, low=1)
    normalize_inputs: bool = knob("normalise by dataset statistics (the code: no)", default=True)

    def by_task(self, task: str) -> Mapping[str, Any]:
        return {} if _ogbench.family(task) else {"discount": 0.98}

    @property
    def acts_with(self) -> tuple[str, ...]:
        return (POLICY, "pairs", *transformer_networks(self.latent, self.learning_rate, ends=1.0), "code")

    @property
    def remembers(self) -> int:
        return PAIRS - 1

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden, rate, turn = (self.hidden,) * self.hidden_layers, self.learning_rate, self.encoder_share
        coded = self.latent + sizes.observation

        def linear(inputs: int, outputs: int) -> NetworkSpec:
            return NetworkSpec(inputs, outputs, (), rate, init="xavier", ends=turn)

        critic = _ogbench.value_network(coded + sizes.action, hidden, rate, copies=2, target_rate=self.target_rate)
        policy = NetworkSpec(coded, sizes.action, hidden, rate, init="xavier", last_scale=0.1, log_std=sizes.action)
        return {
            "pairs": linear(sizes.goal + BINS, self.latent),
            **transformer_networks(self.latent, rate, ends=turn),
            "code": linear(self.latent, 2 * self.latent),
            "decoder": replace(_ogbench.value_network(self.latent + sizes.goal, hidden, rate), ends=turn),
            "Q": replace(critic, begins=turn),
            "U": replace(_ogbench.value_network(coded, hidden, rate), begins=turn),
            POLICY: replace(policy, begins=turn),
        }

    def rows(self, batch_size: int) -> dict[str, int]:
        # All train. The embedding of pairs passes no gradient on; Q has its target at s, U is a constant at s'.
        encoder = [*transformer_networks(self.latent, self.learning_rate, ends=1.0)]
        return {
            "pairs": 2 * PAIRS * batch_size,
            **dict.fromkeys(encoder, 3 * PAIRS * batch_size),
            "decoder": 3 * DECODED * batch_size,
            "Q": (3 + 1) * batch_size,
            "U": (3 + 1) * batch_size,
        }

    def flops(self, sizes: Sizes, batch_size: int) -> int:
        networks = batch_size // 3
        hidden = 2 * networks * (PAIRS + DECODED) * sizes.goal * RANDOM_HIDDEN
        return super().flops(sizes, batch_size) + 3 * attention_flops(self.latent, batch_size, PAIRS) + hidden

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        """Sample transitions, and for each a reward function with labelled states. The noise ``[M, B, latent]`` is that
        of the code."""
        goals, others = replay.goals, OWN - 1 + PAIRS - OWN + DECODED
        drawn = goals.mixed_goals(streams.uniform("rho", 6, batch_size), GoalMixture(1.0, 0.0, 0.0))
        repeated = Transitions(*(row.repeat_interleave(others, -1) for row in (drawn.episode, drawn.time, drawn.goal)))
        uniform = streams.uniform("states", 4, batch_size * others)
        later = goals.relabelled(repeated, uniform, GoalMixture(0.0, 1.0, 0.0, self.discount))
        anywhere = goals.relabelled(repeated, uniform, GoalMixture(0.0, 0.0, 1.0))
        position = torch.arange(others, device=uniform.device).repeat(batch_size)
        rows = torch.where(position < OWN - 1, later.goal, anywhere.goal)
        rows = torch.cat([drawn.goal[..., None], rows.view(*drawn.goal.shape, others)], -1).flatten(1)
        states = replay.goals_of(Transitions(rows, rows, rows)).view(*drawn.goal.shape, 1 + others, -1)

        third = batch_size // 3
        of_goals, linear, networks = torch.split(states, [batch_size - 2 * third, third, third], 1)
        of_goals, goal_labels = goal_rewards(streams, of_goals)
        labels = [goal_labels, linear_rewards(streams, linear), network_rewards(streams, networks)]
        batch = replay.batch(drawn).with_noise(streams.normal("code", batch_size, self.latent))
        return LabelledBatch(
            **vars(batch) | {"rewards": torch.cat([each[..., 0] for each in labels], 1)},
            states=torch.cat([of_goals, linear, networks], 1),
            labels=torch.cat(labels, 1),
        )

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        assert isinstance(batch, LabelledBatch)
        assert batch.states is not None
        assert batch.labels is not None
        assert batch.noise is not None
        means, log_stds = encode(nets, batch.states[:, :, :PAIRS], batch.labels[:, :, :PAIRS])
        codes = means + torch.exp(log_stds) * batch.noise
        questions = batch.states[:, :, PAIRS:].flatten(1, 2)
        told = nets["decoder"](codes.repeat_interleave(DECODED, 1), questions)[..., 0]
        errors = (told - batch.labels[:, :, PAIRS:].flatten(1)).square().mean(-1)
        divergence = (0.5 * (torch.exp(2.0 * log_stds) + means.square() - 1.0) - log_stds).mean(-1).mean(-1)

        z = means.detach()
        here, there = (batch.observations, z), (batch.next_observations, z)
        goals = batch.rewards.shape[-1] - 2 * (batch.rewards.shape[-1] // 3)
        masks = torch.cat([-batch.rewards[:, :goals], torch.ones_like(batch.rewards[:, goals:])], 1)
        targets = batch.rewards + self.discount * masks * nets["U"].frozen(*there)[..., 0]
        scores, values = nets["Q"](*here, batch.actions)[..., 0], nets["U"](*here)[..., 0]
        residuals = nets["Q"].target(*here, batch.actions)[..., 0].amin(0) - values
        advantages = scores.detach().amin(0) - values.detach()
        weights = exponential_weights(advantages, knobs["temperature"], _ogbench.WEIGHT_CLIP)
        log_std = nets[POLICY].log_std.clamp(*LOG_STD_RANGE)
        losses = {
            "encoder": errors + KL_WEIGHT * divergence,
            "value": expectile_loss(residuals, knobs["expectile"]).mean(-1),
            "critic": (targets - scores).square().mean(-1).sum(0),
            "policy": -(weights * gaussian_log_prob(batch.actions, nets[POLICY](*here), log_std)).mean(-1),
        }
        info = {"decoding_error": errors, "divergence": divergence, "value_mean": values.mean(-1)}
        return losses, {name: number.detach() for name, number in info.items()} | {"weight_mean": weights.mean(-1)}

    def recall(self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
        """Return the achieved goals of the remembered states."""
        return goals

    def sample_actions(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, draws: Draws
    ) -> torch.Tensor:
        assert draws.remembered is not None
        return nets[POLICY].frozen(observations, goal_codes(nets, goals, draws.remembered)).clamp(-1.0, 1.0)


def encode(nets: Networks, states: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and log deviation ``[M, B, latent]`` of the codes of functions that label states ``[M, B, P, g]`` by
    rewards ``[M, B, P]``."""
    bins = torch.floor((labels + 1.0) * (0.5 * BINS)).clamp(0, BINS - 1)
    one_hot = (bins[..., None] == torch.arange(BINS, device=bins.device)).to(states.dtype)
    pairs = nets["pairs"](torch.cat([states, one_hot], -1).flatten(1, 2))
    read = transform(nets, pairs.view(*labels.shape, -1)).mean(2)
    means, log_stds = nets["code"](read).chunk(2, -1)
    return means, log_stds


def goal_codes(nets: Networks, goals: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return the codes ``[1, B, latent]`` of goals' rewards, read off each goal and ``others`` ``[1, n, g]``."""
    states = torch.cat([goals[:, :, None], others[:, None].expand(-1, goals.shape[1], -1, -1)], 2)
    return encode(nets, states, at_goal(states, goals) - 1.0)[0]


def at_goal(states: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
    """Return 1 for states ``[M, B, n, g]`` that are the goal ``[M, B, g]``, else 0: ``[M, B, n]``."""
    return (states == goals[:, :, None]).all(-1).to(states.dtype)


def goal_rewards(streams: Streams, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose a goal among the first states ``[M, B, 40, g]`` of each sample, and put it in place of the first one to
    decode. Returns the states, and their rewards ``[M, B, 40]``."""
    kind, which = streams.uniform("goals", 2, states.shape[1])
    later = 1 + (which * (OWN - 1)).long()
    anywhere = OWN + (which * (PAIRS - OWN)).long()
    index = torch.where(kind < CURRENT, 0, torch.where(kind < CURRENT + FUTURE, later, anywhere))
    goals = states.gather(2, index[..., None, None].expand(-1, -1, 1, states.shape[-1]))
    states = torch.cat([states[:, :, :PAIRS], goals, states[:, :, PAIRS + 1 :]], 2)
    return states, at_goal(states, goals[:, :, 0]) - 1.0


def linear_rewards(streams: Streams, states: torch.Tensor) -> torch.Tensor:
    """Return the rewards of a random linear function for each sample. One of its weights at least is not 0."""
    count, size = states.shape[1], states.shape[-1]
    values, chance = streams.uniform("weights", 2, count, size)
    which, kind = streams.uniform("weighed", 2, count)
    weighed = torch.arange(size, device=states.device) == (which * size).long()[..., None]
    weights = torch.where(weighed | (chance >= ZERO_WEIGHTS), 2.0 * values - 1.0, 0.0)
    lowest = -(kind < 0.5).to(states.dtype)[..., None]
    return torch.maximum((states * weights[:, :, None]).sum(-1), lowest).clamp(max=1.0)


def network_rewards(streams: Streams, states: torch.Tensor) -> torch.Tensor:
    """Return the rewards of a random network for each sample."""
    size = states.shape[-1]
    numbers = streams.normal("network", states.shape[1], size + 2, RANDOM_HIDDEN)
    first, bias, last = torch.split(numbers, [size, 1, 1], 2)
    hidden = torch.tanh(matmul(states, first / RANDOM_HIDDEN**0.5) + RANDOM_BIAS * bias)
    rewards: torch.Tensor = (RANDOM_OUT * last * hidden).sum(-1)
    return rewards.clamp(-1.0, 1.0)
