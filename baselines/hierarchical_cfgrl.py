"""Hierarchical CFGRL: one guided flow for a sub-goal, one for the action towards it (Frans et al. 2025).

Both are trained as the flow of :mod:`baselines.cfgrl`, each with samples without a goal. With ``n`` =
``subgoal_steps``, the high flow carries noise to the state ``n`` steps on, or to the goal if that is nearer; the low
flow carries it to the action, given the state ``n`` steps on:

    x_1 = s_min(t+n, goal)  given  s_t and g                                        (high)
    x_1 = a_t               given  s_t and s_min(t+n, T-1)                          (low)

The method acts, in every step, by a sub-goal of the high flow and an action of the low flow, both guided by the same
``w``. Sub-goals are whole observations; goals are the task's.

With ``order_filter`` a classifier ``f(s, u, g)`` is trained to tell sub-goals ``u`` that the data lead through from
``s`` on the way to ``g``. Of ``samples`` drawn sub-goals the one with the largest ``f`` is taken. This is the filter of
GHIL-Glue (Hatch et al., ICRA 2025) without images and language, of which the goal takes the place. One half of its
samples are (s_t, s_min(t+n, goal), g), labelled 1; the others are labelled 0: the goal of another transition (0.2), the
two states in reverse order (0.2), or the sub-goal of another transition (0.1).

Source: the paper, and its authors' code (cfgrl_submit, ``hflowgcbc.py``) at commit 545677e. Deviations: those of
:mod:`baselines.cfgrl`, and this:

* GHIL-Glue takes sub-goals 16 to 24 steps on, and filters what an image generator draws; here it is the high flow, with
  its ``n``.
* On tasks that are not OGBench's, whose episodes here have 50 steps, ``n`` is 10 (``by_task``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from baselines import _ogbench
from baselines.cfgrl import CFGRL, guided, guided_network, null_flags
from smore_sweep import NetworkSpec, knob, method
from smore_sweep.errors import DeclarationError
from smore_sweep.losses import logistic_loss
from smore_sweep.method import POLICY
from smore_sweep.stacked.flow import best_of, flow_matching_loss, flow_noise

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Network, Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Draws, Streams
    from smore_sweep.task import Sizes


@method
class HierarchicalCFGRL(CFGRL):
    """The configuration of hierarchical CFGRL; the module's docstring gives the equations."""

    name: ClassVar[str] = "Hierarchical CFGRL"

    subgoal_steps: int = knob("n: steps to a sub-goal", default=25, low=1)
    order_filter: bool = knob("whether a classifier of their order chooses sub-goals", default=False, before=False)
    samples: int = knob("sub-goals for 'order_filter'", default=8, low=1, test_time=True, before=8)

    def __post_init__(self) -> None:
        if "samples" in self.changed() and not self.order_filter:
            raise DeclarationError(f"{self.name}: samples = {self.samples} needs order_filter = true")

    def by_task(self, task: str) -> Mapping[str, Any]:
        return {} if _ogbench.family(task) else {**super().by_task(task), "subgoal_steps": 10}

    @property
    def acts_with(self) -> tuple[str, ...]:
        return ("high", POLICY, *(("order",) if self.order_filter else ()))

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden, state, rate = (self.hidden,) * self.hidden_layers, sizes.observation, self.learning_rate
        nets = {
            "high": guided_network(state, sizes.goal, state, hidden, rate),
            POLICY: guided_network(state, state, sizes.action, hidden, rate),
        }
        if self.order_filter:
            nets["order"] = _ogbench.value_network(2 * state + sizes.goal, hidden, rate)
        return nets

    def rows(self, batch_size: int) -> dict[str, int]:
        return dict.fromkeys(("high", POLICY, "order"), 3 * batch_size)

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        """Sample transitions with later states as goals, the states ``on the way`` to them and ``ahead``, and for each
        flow its noise and its flag."""
        goals, share, uniform = replay.goals, knobs["null_share"], streams.uniform("rho", 6, batch_size)
        mixture = _ogbench.policy_goals(random=0.0)
        drawn = goals.mixed_goals(uniform, mixture)
        batch = replay.batch(drawn)
        sizes = {"high": batch.observations.shape[-1], POLICY: batch.actions.shape[-1]}
        others = {
            "on the way": replay.observations_of(goals.on_the_way(drawn, uniform[2:], mixture, self.subgoal_steps)),
            "ahead": replay.observations_of(goals.ahead(drawn, self.subgoal_steps)),
            **{f"{name} noise": flow_noise(streams, name, batch_size, size) for name, size in sizes.items()},
            **{f"{name} flag": null_flags(streams, f"{name} null", batch_size, share) for name in sizes},
        }
        if self.order_filter:
            others["order"] = streams.uniform("order", 1, batch_size)[0][..., None]
        return replace(batch, others=others)

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        others = batch.others

        def loss(name: str, goals: torch.Tensor, data: torch.Tensor) -> torch.Tensor:
            flags = others[f"{name} flag"]
            inputs = (batch.observations, (1.0 - flags) * goals, flags)
            return flow_matching_loss(
                lambda place, time: nets[name](*inputs, place, time), data, others[f"{name} noise"]
            )

        losses = {
            "high": loss("high", batch.goals, others["on the way"]),
            "policy": loss(POLICY, others["ahead"], batch.actions),
        }
        if self.order_filter:
            losses["order"] = order_loss(
                nets["order"], batch.observations, others["on the way"], batch.goals, others["order"]
            )
        return losses, {}

    def sample_actions(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, draws: Draws
    ) -> torch.Tensor:
        count = self.samples if self.order_filter else 1
        states, wanted = (inputs.repeat_interleave(count, 1) for inputs in (observations, goals))
        start = draws.normal("subgoal", count, nets["high"].spec.outputs).flatten(1, 2)
        subgoals = guided(nets, "high", states, wanted, start, self.guidance)
        if self.order_filter:
            subgoals = best_of(subgoals, nets["order"].frozen(states, subgoals, wanted)[..., 0], count)
        start = draws.normal("action", nets[POLICY].spec.outputs)
        return guided(nets, POLICY, observations, subgoals, start, self.guidance).clamp(-1.0, 1.0)


def order_loss(
    classifier: Network, states: torch.Tensor, subgoals: torch.Tensor, goals: torch.Tensor, uniform: torch.Tensor
) -> torch.Tensor:
    """Return the loss ``[M]`` of the classifier of order; ``uniform`` ``[M, B, 1]`` says what each sample is."""
    other_goal, other_subgoal = (uniform >= 0.5) & (uniform < 0.7), uniform >= 0.9
    turned = (uniform >= 0.7) & ~other_subgoal
    second = torch.where(other_subgoal, subgoals.roll(1, 1), subgoals)
    logits = classifier(
        torch.where(turned, subgoals, states),
        torch.where(turned, states, second),
        torch.where(other_goal, goals.roll(1, 1), goals),
    )
    return logistic_loss(logits, (uniform < 0.5).to(logits.dtype))[..., 0].mean(-1)
