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

The policy can also be extracted in other ways (``extraction``, :mod:`smore_sweep.extraction`), with ``q = min_k l``;
the loss above is ``release``. For ``awr`` a value is trained as the critic is, without actions, and the policy clones
by the difference, the action's gain in the logarithm of the goal's density (weights as constants):

    L(phi_V, psi_V) = mean over i and j of BCE( phi_V(s_i) . psi_V(g_j), 1[i = j] )
    L(pi)           = -E[ min(exp(temperature (min_k l - phi_V(s) . psi_V(g))), 100) log pi(a|s, g) ]

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

from smore_sweep import NetworkSpec, knob, method
from smore_sweep.errors import DeclarationError
from smore_sweep.extraction import EXTRACTIONS, ExtractingMethod, climbing_loss, sampling_loss
from smore_sweep.losses import exponential_weights
from smore_sweep.stacked.flow import flow_noise, velocity_network

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Network, Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes

MIN_SCALE = 1e-6
TAIL = 0.999
"""Actions beyond this share the density of their tail."""


@method
class CRL(ExtractingMethod):
    """CRL's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "CRL"
    paper: ClassVar[str] = "Eysenbach et al., Contrastive Learning as Goal-Conditioned RL, NeurIPS 2022"
    critics: ClassVar[tuple[str, ...]] = ("phi", "psi")

    extraction: str = knob(
        "how the policy is extracted from the logits", default="release", choices=("release", *EXTRACTIONS),
        before="release",
    )  # fmt: skip
    temperature: float = knob(
        "inverse temperature of the weights of 'awr'", default=3.0, low=0.0, stackable=True, before=3.0
    )
    bc_weight: float = knob("weight of cloning in 'gradient_bc'", default=0.4, low=0.0, stackable=True, before=0.4)
    bc_coefficient: float = knob("b: share of cloning", default=0.05, low=0.0, high=1.0, stackable=True)
    repr_dim: int = knob("size of the representations (release, offline: 16)", default=64, low=1)
    discount: float = knob(
        "of the future's geometric distribution", default=0.99, above=0.0, high=0.9999, stackable=True
    )
    learning_rate: float = knob("Adam, all networks", default=3e-4, above=0.0, stackable=True)
    hidden: int = knob("width of a hidden layer (release, offline: 1024)", default=256, low=1)
    hidden_layers: int = knob("hidden layers", default=2, low=1)
    normalize_inputs: bool = knob("normalise by dataset statistics (release: false)", default=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if "bc_coefficient" in self.changed() and self.extraction != "release":
            raise DeclarationError(f"CRL: extraction = {self.extraction!r} has no bc_coefficient; only 'release' has")

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden = (self.hidden,) * self.hidden_layers
        rate, goal = self.learning_rate, sizes.goal
        state = sizes.observation + goal

        def representation(inputs: int, copies: int) -> NetworkSpec:
            return NetworkSpec(inputs, self.repr_dim, hidden, rate, copies=copies, init="xavier")

        nets = {
            "phi": representation(sizes.observation + sizes.action, 2),
            "psi": representation(goal, 2),
        }
        if self.extraction == "awr":
            nets |= {"phi V": representation(sizes.observation, 1), "psi V": representation(goal, 1)}
        if self.extraction == "sampling":
            return nets | {"pi": velocity_network(state, sizes.action, hidden, rate)}
        outputs = (2 if self._gaussian else 1) * sizes.action
        return nets | {"pi": NetworkSpec(state, outputs, hidden, rate, init="xavier")}

    def rows(self, batch_size: int) -> dict[str, int]:
        # phi trains on the data's actions, and a policy that climbs passes through it, forwards and back to the action.
        by_gradient = self.extraction not in ("awr", "sampling")
        rows = dict.fromkeys(("psi", "pi", "phi V", "psi V"), 3 * batch_size)
        return rows | {"phi": 3 * batch_size + 2 * batch_size * by_gradient}

    def flops(self, sizes: Sizes, batch_size: int) -> int:
        critics = 3 if self.extraction == "awr" else 2
        logits = 2 * critics * batch_size * batch_size * self.repr_dim
        return super().flops(sizes, batch_size) + 3 * logits

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        always = torch.ones_like(knobs["bc_coefficient"])
        futures = replay.goals.future_goals(
            streams.uniform("rho", 4, batch_size), always, log_discount=knobs["log_discount"]
        )
        batch = replay.batch(futures)
        size = batch.actions.shape[-1]
        if self.extraction == "release":
            return batch.with_noise(streams.normal("policy", batch_size, size))
        return (
            batch.with_noise(flow_noise(streams, "flow", batch_size, size)) if self.extraction == "sampling" else batch
        )

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        state, goals, actions = batch.observations, batch.goals, batch.actions
        pairs, ends = nets["phi"](state, actions), nets["psi"](goals)
        scores = (pairs.detach() * ends.detach()).sum(-1)  # [2, M, B]
        losses = {"critic": contrastive_loss(nets["phi"], pairs, ends)}
        info = {"positive_mean": scores.mean(-1).mean(0)}
        if self.extraction == "sampling":
            assert batch.noise is not None
            return losses | {"policy": sampling_loss(nets["pi"], state, goals, actions, batch.noise)}, info
        if self.extraction == "awr":
            starts, values = nets["phi V"](state), nets["psi V"](goals)
            losses["value"] = contrastive_loss(nets["phi V"], starts[None], values[None])
            advantages = scores.amin(0) - (starts.detach() * values.detach()).sum(-1)
            weights = exponential_weights(advantages, knobs["temperature"])
            means, scales = self._policy(nets["pi"](state, goals))
            losses["policy"] = -(weights * squashed_log_prob(actions, means, scales)).mean(-1)
            return losses, info | {"weight_mean": weights.mean(-1)}

        if not self._gaussian:
            means = torch.tanh(nets["pi"](state, goals))
            climbed = (nets["phi"].through(state, means) * ends.detach()).sum(-1).amin(0)
            weight = knobs["bc_weight"] if self.extraction == "gradient_bc" else None
            losses["policy"] = climbing_loss(climbed, means, actions, weight)
            return losses, info | {"score_mean": climbed.detach().mean(-1)}

        assert batch.noise is not None
        means, scales = self._policy(nets["pi"](state, goals))
        sampled = torch.tanh(means + scales * batch.noise)
        climbed_mean = (nets["phi"].through(state, sampled) * ends.detach()).sum(-1).amin(0).mean(-1)
        cloned = squashed_log_prob(actions, means, scales).mean(-1)
        share = knobs["bc_coefficient"][:, 0]
        losses["policy"] = -(1.0 - share) * climbed_mean - share * cloned
        return losses, {"score_mean": climbed_mean.detach(), **info, "log_prob_mean": cloned.detach()}

    def score(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, actions: torch.Tensor
    ) -> torch.Tensor:
        return (nets["phi"].through(observations, actions) * nets["psi"].frozen(goals)).sum(-1).amin(0)

    def actions_of(self, outputs: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self._policy(outputs)[0] if self._gaussian else outputs)

    @property
    def _gaussian(self) -> bool:
        """Whether the policy is a Gaussian squashed by tanh; else it is deterministic, or a flow."""
        return self.extraction in ("release", "awr")

    @staticmethod
    def _policy(outputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and scale before the squashing, ``[M, B, action]`` each."""
        means, raw = outputs.chunk(2, -1)
        # softplus(x) = -log sigmoid(-x). PyTorch's own rounds differently at the end of a tensor on a CPU.
        return means, MIN_SCALE - torch.nn.functional.logsigmoid(-raw)


def contrastive_loss(net: Network, pairs: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """Return the mean over critics ``k`` of :func:`nce_loss`, ``[M]``, of representations ``[k, M, B, r]``. ``net`` is
    that of the pairs."""
    # As in the networks: member by member on a CPU, all at once on a GPU.
    size = net.stack // len(net.blocks)
    blocks = zip(torch.split(pairs.flatten(0, 1), size), torch.split(ends.flatten(0, 1), size), strict=True)
    return torch.cat([nce_loss(*block) for block in blocks]).view(ends.shape[:2]).mean(0)


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
