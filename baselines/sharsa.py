"""SHARSA and Double SHARSA: n-step SARSA over sub-goals that a flow proposes (Park et al. 2025).

With ``n`` = ``subgoal_steps``, the "action" of a state ``s_t`` is the state ``u = s_{t+h}``: ``h`` is ``n``, or the
steps to the goal if it is nearer in the same episode (a *hit*), or the steps to the episode's end. A twin
``Q_k(s, u, g)`` with slow targets ``Q'_k`` and a value ``V(s, g)`` are logits of a discounted chance to reach ``g``:

    y       = discount^h                            where hit
            = discount^h sigmoid(V(u, g))           else
    L(Q)    = sum_k E[ BCE(Q_k(s, u, g), y) ]                                       (V as a constant)
    L(V)    = E[ BCE(V(s, g), min_k sigmoid(Q'_k(s, u, g))) ]

so V is the value of the data's own sub-goals, without a maximum. Two flows (:mod:`smore_sweep.stacked.flow`) clone:

    L(high) : u, cut at the policy's goal ``g'`` and the end in the same way,  given  s and g'
    L(low)  : a                                                 given  s and s_min(t+n, T-1)

In every step, ``samples`` sub-goals are drawn from the high flow, the one with the largest ``min_k Q_k(s, u, g)`` is
taken, and an action is drawn from the low flow. With ``double``, *Double SHARSA*, the action is chosen among as many by
a second pair, ``Q_low(s, a, w)`` and ``V_low(s, w)``, trained in the same way with steps of 1, sub-goals ``w`` from a
mixture of current, future and random states, and a discount of ``1 - 1/n``.

Sub-goals are whole observations, goals the task's. Goals of the values are the current state (0.2), a later one,
uniformly (0.5) or, for the low pair, geometrically, and any one (0.3); of the high flow a later one, geometrically, or
any one.

Source: Park et al., Horizon Reduction Makes RL Scalable, 2025, and the code (seohongpark/horizon-reduction,
``sharsa.py``, ``dsharsa.py``) at commit c298aed, whose gains are shown on 100M to 1B transitions. Deviations:

* In the code every transition within ``n`` steps of its episode's end is a hit, whatever its goal. Here it is one only
  if the goal is what cut ``h``; at the end V is taken at the last state, which the code does not load.
* Networks are 512 wide; there they have 1024.
* Targets follow each update; the code's lag behind it by one.
* ``n`` follows the episode's length: 25 as there, and on tasks that are not OGBench's, whose episodes here have 50
  steps, 10 with a discount of 0.98 and normalised inputs (``by_task``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from baselines import _ogbench
from smore_sweep import Method, NetworkSpec, knob, method
from smore_sweep.losses import chance, logistic_loss
from smore_sweep.method import POLICY
from smore_sweep.stacked.flow import best_of, flow_matching_loss, flow_noise, transport, velocity_network
from smore_sweep.stacked.goal_mixture import GoalMixture

if TYPE_CHECKING:
    from smore_sweep.stacked.goals import GoalSampler, Transitions
    from smore_sweep.stacked.networks import Network, Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Draws, Streams
    from smore_sweep.task import Sizes

STEPS = 10
"""Steps of the flows from noise."""
RANDOM_POLICY_GOALS = 0.5


@method
class SHARSA(Method):
    """SHARSA's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "SHARSA"
    paper: ClassVar[str] = "Park et al., Horizon Reduction Makes RL Scalable, 2025"

    double: bool = knob("whether a second critic chooses among actions (Double SHARSA)", default=False)
    samples: int = knob("sub-goals, and actions of 'double', to choose among", default=32, low=1, test_time=True)
    subgoal_steps: int = knob("n: steps to a sub-goal", default=25, low=2)
    discount: float = knob("discount of a step", default=0.999, above=0.0, high=0.9999)
    target_rate: float = knob("step of the targets, each update", default=0.005, above=0.0, high=1.0)
    learning_rate: float = knob("Adam, all networks", default=3e-4, above=0.0, stackable=True)
    hidden: int = knob("width of a hidden layer", default=512, low=1)
    hidden_layers: int = knob("hidden layers", default=4, low=1)
    normalize_inputs: bool = knob("normalise by dataset statistics", default=False)

    def by_task(self, task: str) -> Mapping[str, Any]:
        if not _ogbench.family(task):
            return {"subgoal_steps": 10, "discount": 0.98, "normalize_inputs": True}
        return {"subgoal_steps": 50} if task.startswith("humanoidmaze-giant") else {}

    @property
    def acts_with(self) -> tuple[str, ...]:
        return ("high", "Q", POLICY, *(("low Q",) if self.double else ()))

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden, rate, seen = (self.hidden,) * self.hidden_layers, self.learning_rate, sizes.observation

        def pair(state: int, action: int) -> tuple[NetworkSpec, NetworkSpec]:
            critic = _ogbench.value_network(state + action, hidden, rate, copies=2, target_rate=self.target_rate)
            return critic, _ogbench.value_network(state, hidden, rate)

        critic, value = pair(seen + sizes.goal, seen)
        nets = {
            "Q": critic,
            "V": value,
            "high": velocity_network(seen + sizes.goal, seen, hidden, rate, layer_norm=True),
            POLICY: velocity_network(seen + seen, sizes.action, hidden, rate, layer_norm=True),
        }
        if self.double:
            nets["low Q"], nets["low V"] = pair(seen + seen, sizes.action)
        return nets

    def rows(self, batch_size: int) -> dict[str, int]:
        # All train. Q's target is evaluated at s, V at u.
        values = dict.fromkeys(("Q", "V", "low Q", "low V"), (3 + 1) * batch_size)
        return values | dict.fromkeys(("high", POLICY), 3 * batch_size)

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        """Sample transitions whose next state is ``u``. Rewards are ``discount^h`` where hit, else 0; the next value
        counts by ``others["discounts"]``."""
        goals, size = replay.goals, self.subgoal_steps
        mixture = GoalMixture(_ogbench.CURRENT, _ogbench.FUTURE, _ogbench.RANDOM)
        drawn = goals.mixed_goals(streams.uniform("rho", 6, batch_size), mixture)
        mixture = GoalMixture(0.0, 1.0 - RANDOM_POLICY_GOALS, RANDOM_POLICY_GOALS, self.discount)
        own = goals.relabelled(drawn, streams.uniform("policy goals", 4, batch_size), mixture)
        steps, hit = onward(goals, drawn, size, replay.horizon)
        own_steps, _ = onward(goals, own, size, replay.horizon)
        batch = replay.batch(drawn)
        factor = torch.exp(steps * math.log(self.discount))
        zero = torch.zeros_like(factor)
        others = {
            "discounts": torch.where(hit, zero, factor),
            "on the way": replay.observations_of(goals.later(own, own_steps)),
            "ahead": replay.observations_of(goals.ahead(drawn, size)),
            "high noise": flow_noise(streams, "high", batch_size, batch.observations.shape[-1]),
            "low noise": flow_noise(streams, "low", batch_size, batch.actions.shape[-1]),
        }
        if self.double:
            mixture = GoalMixture(_ogbench.CURRENT, _ogbench.FUTURE, _ogbench.RANDOM, 1.0 - 1.0 / size)
            near = goals.relabelled(drawn, streams.uniform("low goals", 4, batch_size), mixture)
            others["low goals"] = replay.observations_of(near)
            others["low hits"] = goals.at_goal(near).to(torch.float32)
            others["next"] = batch.next_observations
        return replace(
            batch,
            next_observations=replay.observations_of(goals.later(drawn, steps)),
            rewards=torch.where(hit, factor, zero),
            policy_goals=replay.goals_of(own),
            others=others,
        )

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        s, u, g, wanted, others = (
            batch.observations, batch.next_observations, batch.goals, batch.policy_goals, batch.others,
        )  # fmt: skip
        assert wanted is not None
        critic, value, targets = sarsa_losses(
            nets["Q"], nets["V"], (s, g), u, (u, g), batch.rewards, others["discounts"]
        )
        losses = {
            "critic": critic,
            "value": value,
            "high": flow_matching_loss(
                lambda place, time: nets["high"](s, wanted, place, time), others["on the way"], others["high noise"]
            ),
            "policy": flow_matching_loss(
                lambda place, time: nets[POLICY](s, others["ahead"], place, time), batch.actions, others["low noise"]
            ),
        }
        info = {"target_mean": targets.mean(-1)}
        if self.double:
            near, hits = others["low goals"], others["low hits"]
            discounts = (1.0 - 1.0 / self.subgoal_steps) * (1.0 - hits)
            losses["low critic"], losses["low value"], _ = sarsa_losses(
                nets["low Q"], nets["low V"], (s, near), batch.actions, (others["next"], near), hits, discounts
            )
        return losses, info

    def sample_actions(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, draws: Draws
    ) -> torch.Tensor:
        subgoals = self._chosen(nets["high"], nets["Q"], observations, goals, draws, "subgoal")
        if self.double:
            return self._chosen(nets[POLICY], nets["low Q"], observations, subgoals, draws, "action", limit=1.0)
        start = draws.normal("action", nets[POLICY].spec.outputs)
        ends = transport(lambda place, time: nets[POLICY].frozen(observations, subgoals, place, time), start, STEPS)
        return ends.clamp(-1.0, 1.0)

    def _chosen(
        self,
        flow: Network,
        critic: Network,
        observations: torch.Tensor,
        goals: torch.Tensor,
        draws: Draws,
        purpose: str,
        limit: float = math.inf,
    ) -> torch.Tensor:
        """Return the best of what a flow draws, clipped to +-``limit``."""
        states, wanted = (inputs.repeat_interleave(self.samples, 1) for inputs in (observations, goals))
        start = draws.normal(purpose, self.samples, flow.spec.outputs).flatten(1, 2)
        ends = transport(lambda place, time: flow.frozen(states, wanted, place, time), start, STEPS)
        ends = ends.clamp(-limit, limit)
        return best_of(ends, critic.frozen(states, wanted, ends)[..., 0].amin(0), self.samples)


def onward(goals: GoalSampler, transitions: Transitions, size: int, horizon: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``h`` and where it is a hit, ``[M, B]`` each: ``size`` steps, or as many as there are to a goal that is
    nearer in the same episode, which is a hit, or to the episode's end, which is none."""
    ahead = goals.steps_to_goal(transitions)
    hit = ahead < min(size, horizon + 1)
    return torch.where(hit, ahead, (horizon - transitions.time).clamp(max=size)), hit


def sarsa_losses(
    critic: Network,
    value: Network,
    inputs: tuple[torch.Tensor, torch.Tensor],
    actions: torch.Tensor,
    next_inputs: tuple[torch.Tensor, torch.Tensor],
    rewards: torch.Tensor,
    discounts: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return ``L(Q)`` and ``L(V)``, ``[M]`` each, and the targets ``y`` ``[M, B]``."""
    slow = chance(critic.target(*inputs, actions)[..., 0]).amin(0)
    targets = rewards + discounts * chance(value.frozen(*next_inputs)[..., 0])
    critic_loss = logistic_loss(critic(*inputs, actions)[..., 0], targets).mean(-1).sum(0)
    return critic_loss, logistic_loss(value(*inputs)[..., 0], slow).mean(-1), targets
