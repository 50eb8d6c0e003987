"""The common frame of the in-sample value methods: GC-IQL, GC-SQL, GC-EQL and GC-XQL.

None of them evaluates a critic at actions that the data do not have. A twin ``Q(s, a, g)`` with a slow target, a value
``V(s, g)`` and a Gaussian policy are trained on relabelled data; with ``u = min Q_target(s, a, g) - V(s, g)``

    L(Q)  = sum over the twins of E[ h(r + discount V(s', g) - Q(s, a, g)) ]        (V as a constant)
    L(V)  = E[ v(u) ]
    L(pi) = -E[ min(w(u), 100) log pi(a|s, g) ]                                     (w as a constant)

``L(pi)`` is the extraction ``awr``; :mod:`smore_sweep.extraction` has others, with ``q = min Q``. A method's file gives
``v``, ``w`` and, if it is not the square, ``h``. All four come from works without goals; the
SMORe paper (Table 15) adds goals and says only that it takes the authors' implementations with a tuned share of
hindsight goals. It leaves the following open; all four do the same here:

* Rewards are the task's, -1 or 0, for the *relabelled* goal and the next achieved goal. (The released SMORe sampler
  keeps the rewards of the original goals: a method that used them would learn for the wrong goal.) Others take {0, 1},
  which shifts every value by ``1 / (1 - discount)`` and leaves the advantages as they are.
* Nothing is terminal: the bootstrap is taken everywhere, also where the goal is reached, because episodes have a fixed
  length and reward staying there. OGBench ends the episode at the goal instead: there, its V is 0 by definition; here 0
  has to be learned, and holds only if the data stay at their goals.
* Hindsight goals are uniform over the rest of the episode, as in the other methods of the SMORe paper. OGBench's GC-IQL
  mixes the current state (0.2), geometric futures (0.5) and random states (0.3); its last two are ``relabelling`` =
  "geometric" and "random".
* Each method's constants are by default those of its release for MuJoCo locomotion, for GC-IQL also the closest to
  SMORe's own (expectile 0.7 or 0.8, temperature 3). Those for AntMaze, whose rewards are -1 and 0 as here, are sharper.
  The releases' constants are in ``RELEASED``, beside each method: ``GCIQL(**RELEASED["antmaze"])``.

Deviations from the released codes (ikostrikov/implicit_q_learning, ryanxhr/IVR, Div99/XQL), which share one skeleton:

* The three losses are differentiated at the same parameters; the releases update V, then the policy and Q with the new
  V: a lag of one optimiser step.
* The exponent of ``w`` is clipped, not the exponential: the same number, but nothing overflows.
* Dropout, used on some of their data sets, is left out.
* Inputs are normalised by default; the releases normalise rewards on some data sets, inputs on none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch

from smore_sweep import NetworkSpec, knob, method
from smore_sweep.extraction import EXTRACTIONS, ExtractingMethod, climbing_loss, sampling_loss
from smore_sweep.losses import LOG_STD_RANGE, gaussian_log_prob
from smore_sweep.stacked.flow import flow_noise, velocity_network

if TYPE_CHECKING:
    from smore_sweep.stacked.goals import Transitions
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes

WEIGHT_CLIP = 100.0
"""Largest weight of a sample in the policy's loss, in all four releases."""


@method
class InSampleMethod(ExtractingMethod):
    """Shared frame of the four configurations; the module's docstring gives the equations and the conventions."""

    critics: ClassVar[tuple[str, ...]] = ("Q",)
    value_layer_norm: ClassVar[bool] = True
    """Whether V normalises its hidden layers."""

    relabelling: str = knob(
        "which achieved goals hindsight takes", default="future", choices=("future", "geometric", "random", "next")
    )
    extraction: str = knob("how the policy is extracted from Q", default="awr", choices=EXTRACTIONS, before="awr")
    bc_weight: float = knob("weight of cloning in 'gradient_bc'", default=0.4, low=0.0, stackable=True, before=0.4)
    her_ratio: float = knob("share of hindsight goals", default=0.8, low=0.0, high=1.0, stackable=True)
    discount: float = knob(
        "discount of Q, and of geometric relabelling", default=0.99, above=0.0, high=0.9999, stackable=True
    )
    target_rate: float = knob("step of Q's target towards Q, each update", default=0.005, above=0.0, high=1.0)
    learning_rate: float = knob("Adam, all networks", default=3e-4, above=0.0, stackable=True)
    hidden: int = knob("width of a hidden layer", default=256, low=1)
    hidden_layers: int = knob("hidden layers", default=2, low=1)
    normalize_inputs: bool = knob("normalise by dataset statistics (releases: false)", default=True)

    def value_loss(
        self, targets: torch.Tensor, values: torch.Tensor, knobs: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Return ``v``, ``[M, B]``, of ``targets`` = min Q and ``values`` = V, both ``[M, B]``."""
        raise NotImplementedError

    def policy_weights(self, advantages: torch.Tensor, knobs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return ``min(w, 100)``, ``[M, B]``, of the advantages ``u`` ``[M, B]``."""
        raise NotImplementedError

    def critic_loss(self, bellman: torch.Tensor) -> torch.Tensor:
        """Return ``h`` of the Bellman residuals, element by element."""
        return bellman.square()

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden = (self.hidden,) * self.hidden_layers
        state = sizes.observation + sizes.goal
        rate = self.learning_rate
        return {
            "Q": NetworkSpec(state + sizes.action, 1, hidden, rate, copies=2, target_rate=self.target_rate),
            "V": NetworkSpec(state, 1, hidden, rate, layer_norm=self.value_layer_norm),
            "pi": velocity_network(state, sizes.action, hidden, rate)
            if self.extraction == "sampling"
            else NetworkSpec(
                state, sizes.action, hidden, rate,
                log_std=sizes.action if self.extraction == "awr" else 0, cosine_decay=True,
            ),
        }  # fmt: skip

    def rows(self, batch_size: int) -> dict[str, int]:
        # Q and V train; Q's target is evaluated at s, V also at s'. A policy that climbs Q passes through it forwards
        # and back to the action.
        by_gradient = self.extraction in ("gradient", "gradient_bc")
        return {
            "Q": 3 * batch_size + batch_size + 2 * batch_size * by_gradient,
            "V": 3 * batch_size + batch_size,
            "pi": 3 * batch_size,
        }

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        batch = replay.batch(self._draw(replay, streams, knobs, batch_size))
        if self.extraction == "sampling":
            batch = batch.with_noise(flow_noise(streams, "flow", batch_size, batch.actions.shape[-1]))
        return batch

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        state, goals, actions = batch.observations, batch.goals, batch.actions
        scores = nets["Q"](state, goals, actions)[..., 0]
        next_values = nets["V"].frozen(batch.next_observations, goals)[..., 0]
        bellman = batch.rewards + knobs["discount"] * next_values - scores

        targets = nets["Q"].target(state, goals, actions)[..., 0].amin(0)
        values = nets["V"](state, goals)[..., 0]
        losses = {
            "critic": self.critic_loss(bellman).mean(-1).sum(0),
            "value": self.value_loss(targets, values, knobs).mean(-1),
        }
        info = {"value_mean": values.detach().mean(-1)}
        if self.extraction == "awr":
            weights = self.policy_weights((targets - values).detach(), knobs)
            means = torch.tanh(nets["pi"](state, goals))
            log_prob = gaussian_log_prob(actions, means, nets["pi"].log_std.clamp(*LOG_STD_RANGE))
            losses["policy"] = -(weights * log_prob).mean(-1)
            info["weight_mean"] = weights.mean(-1)
        elif self.extraction == "sampling":
            assert batch.noise is not None
            losses["policy"] = sampling_loss(nets["pi"], state, goals, actions, batch.noise)
        else:
            means = torch.tanh(nets["pi"](state, goals))
            climbed = self.score(nets, state, goals, means)
            weight = knobs["bc_weight"] if self.extraction == "gradient_bc" else None
            losses["policy"] = climbing_loss(climbed, means, actions, weight)
        return losses, info

    def score(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, actions: torch.Tensor
    ) -> torch.Tensor:
        return nets["Q"].through(observations, goals, actions)[..., 0].amin(0)

    def _draw(
        self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int
    ) -> Transitions:
        her_ratio = knobs["her_ratio"]
        if self.relabelling == "random":
            return replay.goals.random_goals(streams.uniform("rho", 5, batch_size), her_ratio)
        uniform = streams.uniform("rho", 4, batch_size)
        if self.relabelling == "next":
            return replay.goals.next_goals(uniform, her_ratio)
        geometric = self.relabelling == "geometric"
        return replay.goals.future_goals(uniform, her_ratio, log_discount=knobs["log_discount"] if geometric else None)
