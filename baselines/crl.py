"""CRL: contrastive reinforcement learning (Eysenbach et al., NeurIPS 2022), the NCE critic and the offline actor.

Two critics ``k`` score a pair by the inner product of two representations, ``l_ij = phi(s_i, a_i) . psi(g_j)``. Goal
``g_i`` is achieved by the episode of ``(s_i, a_i)`` after a geometric time, ``P(t + n) ~ discount^n``, cut off at its
end; the other goals of the batch are its negatives. At the optimum ``exp(l)`` is, up to a constant, the density of
``g`` in the discounted future of ``(s, a)`` over its density among all goals.

    L(phi, psi) = mean over i, j and k of BCE( l_ij, 1[i = j] )
    L(pi)       = -(1-b) E[ min_k l(s, a', g) ] - b E[ log pi(a|s, g) ],   a' ~ pi(.|s, g)

The policy is a Gaussian squashed by tanh, with a scale that depends on the state; it is evaluated at its mode. Its
goals are the critic's (the release's ``random_goals`` = 0, its choice for offline data), and there is no entropy term
(0 in the release for state inputs). Commanded goals are no positives, so all goals are hindsight goals, and there is no
HER ratio.

The SMORe paper gives no constants. The defaults are the release's common ones, (256, 256) and 64; its offline script
takes ``hidden=1024, repr_dim=16`` and batches of 1024. Twin critics are its offline choice, too.
With ``b`` = 0.05 the policy follows a critic that takes long to learn; a larger ``b`` helps short runs.

The log density of the data's action is Acme's, which the release takes: beyond +-0.999, where atanh runs away, it is
the logarithm of the tail's probability over the tail's width. Data with actions at the bounds are common here.

Deviations from the released code (google-research/contrastive_rl):

* Inputs are normalised by default; the release takes them as they are.
* The policy's layers have the critic's initial values (uniform, by the mean of fan-in and fan-out; release: by fan-in),
  and Adam's epsilon is this package's (release: 1e-7).
* The release keeps a target critic that only its TD variant uses; here there is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch

from smore_sweep import Method, NetworkSpec, knob, method

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes

MIN_SCALE = 1e-6
TAIL = 0.999
"""Actions beyond this share the density of their tail."""


@method
class CRL(Method):
    """CRL's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "CRL"
    paper: ClassVar[str] = "Eysenbach et al., Contrastive Learning as Goal-Conditioned RL, NeurIPS 2022"

    bc_coefficient: float = knob("b: share of cloning", default=0.05, low=0.0, high=1.0, stackable=True)
    repr_dim: int = knob("size of the representations (release, offline: 16)", default=64, low=1)
    discount: float = knob(
        "of the future's geometric distribution", default=0.99, above=0.0, high=0.9999, stackable=True
    )
    learning_rate: float = knob("Adam, all networks", default=3e-4, above=0.0, stackable=True)
    hidden: int = knob("width of a hidden layer (release, offline: 1024)", default=256, low=1)
    hidden_layers: int = knob("hidden layers", default=2, low=1)
    normalize_inputs: bool = knob("normalise by dataset statistics (release: false)", default=True)

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden = (self.hidden,) * self.hidden_layers
        rate = self.learning_rate
        pair = sizes.observation + sizes.action
        state = sizes.observation + sizes.goal
        return {
            "phi": NetworkSpec(pair, self.repr_dim, hidden, rate, copies=2, init="xavier"),
            "psi": NetworkSpec(sizes.goal, self.repr_dim, hidden, rate, copies=2, init="xavier"),
            "pi": NetworkSpec(state, 2 * sizes.action, hidden, rate, init="xavier"),
        }

    def rows(self, batch_size: int) -> dict[str, int]:
        # phi trains on the data's actions, and the policy passes through it, forwards and back to the action.
        return {"phi": 3 * batch_size + 2 * batch_size, "psi": 3 * batch_size, "pi": 3 * batch_size}

    def flops(self, sizes: Sizes, batch_size: int) -> int:
        logits = 2 * 2 * batch_size * batch_size * self.repr_dim
        return super().flops(sizes, batch_size) + 3 * logits

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        always = torch.ones_like(knobs["bc_coefficient"])
        futures = replay.goals.future_goals(
            streams.uniform("rho", 4, batch_size), always, log_discount=knobs["log_discount"]
        )
        batch = replay.batch(futures)
        return batch.with_noise(streams.normal("policy", batch_size, batch.actions.shape[-1]))

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        assert batch.noise is not None
        state, goals = batch.observations, batch.goals
        pairs, ends = nets["phi"](state, batch.actions), nets["psi"](goals)
        # As in the networks: member by member on a CPU, all at once on a GPU.
        size = nets["phi"].stack // len(nets["phi"].blocks)
        blocks = zip(torch.split(pairs.flatten(0, 1), size), torch.split(ends.flatten(0, 1), size), strict=True)
        contrast = torch.cat([nce_loss(*block) for block in blocks])

        means, scales = self._policy(nets["pi"](state, goals))
        sampled = torch.tanh(means + scales * batch.noise)
        scores = (nets["phi"].through(state, sampled) * ends.detach()).sum(-1).amin(0).mean(-1)
        cloned = squashed_log_prob(batch.actions, means, scales).mean(-1)
        share = knobs["bc_coefficient"][:, 0]
        losses = {
            "critic": contrast.view(ends.shape[:2]).mean(0),
            "policy": -(1.0 - share) * scores - share * cloned,
        }
        positives = (pairs.detach() * ends.detach()).sum(-1).mean(-1).mean(0)
        return losses, {"score_mean": scores.detach(), "positive_mean": positives, "log_prob_mean": cloned.detach()}

    def act(self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self._policy(nets["pi"].frozen(observations, goals))[0])

    @staticmethod
    def _policy(outputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and scale before the squashing, ``[M, B, action]`` each."""
        means, raw = outputs.chunk(2, -1)
        # softplus(x) = -log sigmoid(-x). PyTorch's own rounds differently at the end of a tensor on a CPU.
        return means, MIN_SCALE - torch.nn.functional.logsigmoid(-raw)


def nce_loss(pairs: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """Return ``mean_ij BCE(l_ij, 1[i = j])``, ``[N]``, of representations ``[N, B, r]`` of pairs and of goals."""
    logits = torch.bmm(pairs, ends.transpose(1, 2))
    positives = logits.diagonal(dim1=1, dim2=2)
    # BCE(l, y) = softplus(l) - y l
    loss: torch.Tensor = torch.nn.functional.softplus(logits).mean((1, 2)) - positives.mean(1) / logits.shape[1]
    return loss


def squashed_log_prob(actions: torch.Tensor, means: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Return the log density ``[..., B]`` of ``actions`` ``[..., B, A]`` in [-1, 1] under ``tanh(N(means, scales^2))``;
    beyond +-0.999 the tail's probability over its width, 0.001, in that dimension."""
    inside = actions.clamp(-TAIL, TAIL)
    # atanh, written out because PyTorch's rounds differently at the end of a tensor on a CPU
    before = 0.5 * (torch.log1p(inside) - torch.log1p(-inside))
    scaled = (before - means) / scales
    density = -0.5 * scaled.square() - torch.log(scales) - 0.5 * math.log(2.0 * math.pi) - torch.log1p(-inside.square())
    # P(x > t) = Phi((mean - t) / scale), and the same with the signs turned for the lower tail.
    outwards = torch.sign(actions) * means - math.atanh(TAIL)
    tail = log_normal_cdf(outwards / scales) - math.log(1.0 - TAIL)
    return torch.where(actions.abs() < TAIL, density, tail).sum(-1)


def log_normal_cdf(x: torch.Tensor) -> torch.Tensor:
    """Return ``log Phi(x)``, element by element. The gradient of PyTorch's ``log_ndtr`` is a difference of squares, in
    float32 wrong by a factor of 6 at -1e4, and a sharp policy goes there."""
    below, above = x.clamp(max=0.0), x.clamp(min=0.0)
    # Phi(x) = exp(-x^2 / 2) erfcx(-x / sqrt 2) / 2 below 0, and each factor is a constant on the other side.
    tail = torch.log(torch.special.erfcx(below * -math.sqrt(0.5))) - 0.5 * below.square()
    return tail + torch.log(0.5 * torch.erfc(above * -math.sqrt(0.5)))
