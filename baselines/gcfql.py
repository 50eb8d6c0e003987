"""GC-FQL: flow Q-learning (Park, Li and Levine, ICML 2025) with goals.

A flow ``v`` (:mod:`smore_sweep.stacked.flow`) clones the data's actions. A policy ``mu(s, g, z)`` makes an action of
noise ``z`` in one pass. It is drawn to where the flow carries the same noise, ``ODE(s, g, z)``, and climbs a twin
critic ``Q_k(s, a, g)``, the logit of a discounted chance to reach the goal. With ``hit`` where the goal is the
transition's own state, by index, and ``a'`` = clip(mu(s', g, z'), -1, 1),

    y     = hit + discount (1 - hit) min_k sigmoid(Q'_k(s', a', g))
    L(Q)  = E[ mean_k BCE(Q_k(s, a, g), y) ]
    L(v)  = the flow's loss on the data's actions
    L(pi) = alpha E[ |mu - ODE|^2 / action size ] - E[q] / E|q|,   q = mean_k Q_k(s, clip(mu, -1, 1), g)

``ODE`` is 10 Euler steps, clipped to [-1, 1]. It is a constant, as are Q and ``E|q|`` in L(pi): the flow learns from
its own loss alone. The critic's goals are the current state (0.2), a later one, uniformly (0.5), and any one (0.3);
those of flow and policy are a later one, after a geometric time, or any one. The method acts by ``clip(mu)`` with fresh
noise.

Source: the papers, and the code (seohongpark/horizon-reduction, ``gcfql.py``, at commit c298aed; seohongpark/fql at
commit 719d044). Deviations:

* The discount is FQL's 0.99; the code for goals has 0.999, for data sets of 100M transitions and longer tasks. Networks
  are 512 wide as FQL's; there they have 1024.
* Targets follow each update; the code's lag behind it by one.
* On tasks that are not OGBench's, whose episodes here have 50 steps and mostly random actions, the discount is 0.98,
  ``alpha`` a tenth, and inputs are normalised (``by_task``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from baselines import _ogbench
from smore_sweep import Method, NetworkSpec, knob, method
from smore_sweep.losses import chance, logistic_loss
from smore_sweep.method import POLICY
from smore_sweep.stacked.flow import flow_matching_loss, flow_noise, transport, velocity_network
from smore_sweep.stacked.goal_mixture import GoalMixture

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Draws, Streams
    from smore_sweep.task import Sizes

STEPS = 10
"""Steps of the flow from noise to an action."""
CRITIC_GOALS = GoalMixture(_ogbench.CURRENT, _ogbench.FUTURE, _ogbench.RANDOM)
RANDOM_POLICY_GOALS = 0.5


@method
class GCFQL(Method):
    """GC-FQL's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "GC-FQL"
    paper: ClassVar[str] = "Park et al., Flow Q-Learning, ICML 2025, with goals"

    alpha: float = knob("weight of the flow against the critic", default=3.0, low=0.0, stackable=True)
    discount: float = knob("discount of the critic, and of the policy's goals", default=0.99, above=0.0, high=0.9999)
    target_rate: float = knob("step of the targets, each update", default=0.005, above=0.0, high=1.0)
    learning_rate: float = knob("Adam, all networks", default=3e-4, above=0.0, stackable=True)
    hidden: int = knob("width of a hidden layer", default=512, low=1)
    hidden_layers: int = knob("hidden layers", default=4, low=1)
    normalize_inputs: bool = knob("normalise by dataset statistics", default=False)

    def by_task(self, task: str) -> Mapping[str, Any]:
        return {} if _ogbench.family(task) else {"discount": 0.98, "alpha": 0.3, "normalize_inputs": True}

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden, rate, state = (self.hidden,) * self.hidden_layers, self.learning_rate, sizes.observation + sizes.goal
        inputs = state + sizes.action
        critic = _ogbench.value_network(inputs, hidden, rate, copies=2, target_rate=self.target_rate)
        return {
            "Q": critic,
            "flow": velocity_network(state, sizes.action, hidden, rate, layer_norm=True),
            POLICY: replace(critic, outputs=sizes.action, copies=1, target_rate=0.0),
        }

    def rows(self, batch_size: int) -> dict[str, int]:
        # All train. Q's target bootstraps and the policy climbs Q: forwards, and back to the action. The policy also
        # acts at s', and the flow carries its noise.
        return {
            "Q": (3 + 1 + 2) * batch_size,
            "flow": (3 + STEPS) * batch_size,
            POLICY: (3 + 1) * batch_size,
        }

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        """Sample transitions with goals of critic and policy; rewards are ``hit``. The noise ``[M, B, 3 a + 1]`` is
        that of the flow's loss, then ``z`` and ``z'``."""
        goals = replay.goals
        drawn = goals.mixed_goals(streams.uniform("rho", 6, batch_size), CRITIC_GOALS)
        mixture = GoalMixture(0.0, 1.0 - RANDOM_POLICY_GOALS, RANDOM_POLICY_GOALS, self.discount)
        own = goals.relabelled(drawn, streams.uniform("policy goals", 4, batch_size), mixture)
        batch = replay.batch(drawn)
        size = batch.actions.shape[-1]
        noise = [flow_noise(streams, "flow", batch_size, size), streams.normal("policy", batch_size, 2 * size)]
        hit = goals.at_goal(drawn).to(torch.float32)
        return replace(batch, rewards=hit, policy_goals=replay.goals_of(own), noise=torch.cat(noise, -1))

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        states, next_states, goals, wanted = (
            batch.observations, batch.next_observations, batch.goals, batch.policy_goals,
        )  # fmt: skip
        assert wanted is not None
        assert batch.noise is not None
        size = batch.actions.shape[-1]
        flow_noise, start, next_start = batch.noise.split([size + 1, size, size], -1)  # type: ignore[no-untyped-call]

        next_actions = nets[POLICY].frozen(next_states, goals, next_start).clamp(-1.0, 1.0)
        next_values = chance(nets["Q"].target(next_states, goals, next_actions)[..., 0]).amin(0)
        targets = batch.rewards + self.discount * (1.0 - batch.rewards) * next_values
        logits = nets["Q"](states, goals, batch.actions)[..., 0]  # [2, M, B]

        actions = nets[POLICY](states, wanted, start)
        ends = transport(lambda place, time: nets["flow"].frozen(states, wanted, place, time), start, STEPS)
        distance = (actions - ends.clamp(-1.0, 1.0)).square().mean(-1).mean(-1)
        climbed = nets["Q"].through(states, wanted, actions.clamp(-1.0, 1.0))[..., 0].mean(0)
        losses = {
            "critic": logistic_loss(logits, targets).mean(-1).mean(0),
            "flow": flow_matching_loss(
                lambda place, time: nets["flow"](states, wanted, place, time), batch.actions, flow_noise
            ),
            "policy": knobs["alpha"][:, 0] * distance - climbed.mean(-1) / climbed.detach().abs().mean(-1),
        }
        return losses, {"target_mean": targets.mean(-1), "distance": distance.detach()}

    def sample_actions(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, draws: Draws
    ) -> torch.Tensor:
        start = draws.normal("action", nets[POLICY].spec.outputs)
        return nets[POLICY].frozen(observations, goals, start).clamp(-1.0, 1.0)
