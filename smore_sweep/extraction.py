"""Extraction of a policy from a critic ``q(s, a, g)``, as an axis of its own: the critic is the method's.

``awr``          ``-E[ w log pi(a|s, g) ]``, a policy that clones actions by weights of their advantage, the method's.
``gradient``     ``-E[ q(s, mu(s, g), g) ]``, a deterministic policy ``mu`` that climbs the critic.
``gradient_bc``  ``-E[ q(s, mu, g) ] / E|q| + bc_weight E[ (mu - a)^2 ]``, the same with cloning, "DDPG+BC": the form of
                 TD3+BC (Fujimoto and Gu 2021), whose weight of 2.5 on the value is 0.4 here. ``E|q|`` is a constant.
``sampling``     no policy: a flow (:mod:`smore_sweep.stacked.flow`) clones the data's actions, and of ``samples``
                 actions that it draws the one with the largest ``q`` is taken ("SfBC", Chen et al., ICLR 2023).

If the critic is kept for it (``critic_acts``), a policy can go on when it acts (Park et al. 2024):

"OPEX"           any of them climbs once more, ``a <- clip(a + opex dq/da, -1, 1)``.
"TTT"            a policy is trained on the states that it visits. Each episode has a copy of it, which takes a step of
                 size ``ttt`` down ``-q(s, mu, g) / |q| + E[ (mu - mu_0)^2 ]`` in each state, then acts; ``mu_0`` is
                 the policy's action before the episode.

``samples``, ``opex`` and ``ttt`` concern acting alone.

Source: Park et al., Is Value Learning Really the Main Bottleneck in Offline RL?, NeurIPS 2024, which finds that the
extraction matters as much as the critic. Its cloned policies for ``sampling`` are Gaussians; a flow also has several
modes. Its TTT trains one policy through all episodes, with a divergence for the square; here an episode does not depend
on those before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch

from smore_sweep.errors import DeclarationError
from smore_sweep.method import POLICY, Method, knob, method
from smore_sweep.stacked.flow import best_of, flow_matching_loss, transport

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Network, Networks
    from smore_sweep.stacked.rng import Draws

EXTRACTIONS = ("awr", "gradient", "gradient_bc", "sampling")
STEPS = 10
"""Steps of the flow from noise to an action."""
TTT_CLONING = 1.0
"""Weight of the square in TTT."""


@method
class ExtractingMethod(Method):
    """A method with a critic, whose knob ``extraction`` says how it acts. Subclasses declare that knob."""

    critics: ClassVar[tuple[str, ...]]
    """The networks that :meth:`score` needs."""
    flow: ClassVar[str] = POLICY
    """The network that is a flow with ``sampling``."""

    samples: int = knob("proposed actions of 'sampling'", default=32, low=1, test_time=True, before=32)
    opex: float = knob("step up the critic when acting (OPEX)", default=0.0, low=0.0, test_time=True, before=0.0)
    ttt: float = knob("step on each visited state when acting (TTT)", default=0.0, low=0.0, test_time=True, before=0.0)
    critic_acts: bool = knob("whether the critic is kept for opex and ttt", default=False, before=False)

    if TYPE_CHECKING:
        extraction: str

    def __post_init__(self) -> None:
        sampling = self.extraction == "sampling"
        if "samples" in self.changed() and not sampling:
            raise DeclarationError(f"{self.name}: extraction = {self.extraction!r} has no samples; only 'sampling' has")
        if self.critic_acts and sampling:
            raise DeclarationError(f"{self.name}: extraction = 'sampling' has the critic anyway; leave critic_acts out")
        if self.opex and not (self.critic_acts or sampling):
            raise DeclarationError(f"{self.name}: opex = {self.opex!r} needs critic_acts = true")
        if self.ttt and not self.critic_acts:
            raise DeclarationError(f"{self.name}: ttt = {self.ttt!r} needs a policy and critic_acts = true")
        for name, needed in (("temperature", "awr"), ("bc_weight", "gradient_bc")):
            if name in self.changed() and self.extraction != needed:
                raise DeclarationError(
                    f"{self.name}: extraction = {self.extraction!r} has no {name}; only {needed!r} has"
                )

    def score(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, actions: torch.Tensor
    ) -> torch.Tensor:
        """Return ``q`` ``[M, B]``, whose gradient reaches the actions alone."""
        raise NotImplementedError

    def actions_of(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return the actions ``[M, B, a]`` that the policy's outputs ``[M, B, .]`` stand for."""
        return outputs.tanh()

    def act(self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
        return self.actions_of(nets[POLICY].frozen(observations, goals))

    @property
    def acts_with(self) -> tuple[str, ...]:
        if self.extraction == "sampling":
            return (self.flow, *self.critics)
        return (POLICY, *self.critics) if self.critic_acts else (POLICY,)

    def sample_actions(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, draws: Draws
    ) -> torch.Tensor:
        if self.extraction == "sampling":
            actions = self._best_of_samples(nets, observations, goals, draws)
        elif self.ttt:
            actions = self._after_training(nets, observations, goals, draws)
        else:
            actions = self.act(nets, observations, goals)
        return self._climbed(nets, observations, goals, actions) if self.opex else actions

    def _best_of_samples(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, draws: Draws
    ) -> torch.Tensor:
        flow, count = nets[self.flow], self.samples
        states, wanted = (inputs.repeat_interleave(count, 1) for inputs in (observations, goals))
        start = draws.normal("action", count, flow.spec.outputs).flatten(1, 2)
        ends = transport(lambda place, time: flow.frozen(states, wanted, place, time), start, STEPS).clamp(-1.0, 1.0)
        return best_of(ends, self.score(nets, states, wanted, ends), count)

    def _after_training(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, draws: Draws
    ) -> torch.Tensor:
        # The members of a stack are the episodes' copies, each with a batch of its one state: [B, 1, .].
        states, wanted = observations.transpose(0, 1), goals.transpose(0, 1)
        before = self.act(nets, observations, goals).transpose(0, 1)
        copies = nets[POLICY].repeated(len(states))
        if (trained := draws.memory.get(draws.step - 1)) is not None:
            copies.flat.detach().copy_(trained)
        with torch.enable_grad():
            means = self.actions_of(copies(states, wanted))
            scores = self.score(nets, observations, goals, means.transpose(0, 1)).transpose(0, 1)
            loss = climbing_loss(scores, means, before, torch.full_like(scores, TTT_CLONING))
            (gradient,) = torch.autograd.grad(loss.sum(), copies.flat)
        parameters = copies.flat.detach()
        parameters -= self.ttt * gradient
        draws.memory[draws.step] = parameters
        draws.memory.pop(draws.step - 2, None)
        return self.actions_of(copies.frozen(states, wanted)).transpose(0, 1)

    def _climbed(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, actions: torch.Tensor
    ) -> torch.Tensor:
        with torch.enable_grad():
            start = actions.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.score(nets, observations, goals, start).sum(), start)
        return (actions + self.opex * gradient).clamp(-1.0, 1.0)


def climbing_loss(
    scores: torch.Tensor, means: torch.Tensor, actions: torch.Tensor, bc_weight: torch.Tensor | None
) -> torch.Tensor:
    """Return the loss of ``gradient_bc`` or, without a weight, of ``gradient``: ``[M]``.

    Args:
        scores: ``q`` at the policy's actions, ``[M, B]``.
        means: the policy's actions, ``[M, B, a]``.
        actions: those of the data, ``[M, B, a]``.
        bc_weight: the weight of cloning, ``[M, 1]``.
    """
    if bc_weight is None:
        return -scores.mean(-1)
    cloning = (means - actions).square().mean(-1).mean(-1)
    return -scores.mean(-1) / scores.detach().abs().mean(-1) + bc_weight[:, 0] * cloning


def sampling_loss(
    flow: Network, observations: torch.Tensor, goals: torch.Tensor, actions: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor:
    """Return the loss ``[M]`` of the flow that clones the data's actions, with the noise of
    :func:`~smore_sweep.stacked.flow.flow_noise`."""
    return flow_matching_loss(lambda place, time: flow(observations, goals, place, time), actions, noise)
