"""Whole methods against their equations: the same networks, run in textbook operations with parameters of their own."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

import torch

from baselines.ddpg import DDPG
from smore_sweep.method import Method
from smore_sweep.stacked.networks import Network, Networks
from smore_sweep.stacked.replay import Batch
from smore_sweep.task import Sizes
from smore_sweep.training.learner import knob_tensors
from tests.unit.stacked.test_networks import plain

SIZES = Sizes(observation=4, goal=2, action=3)
MEMBERS = 2
CPU = torch.device("cpu")


def networks(method: Method, sizes: Sizes = SIZES) -> Networks:
    """The method's networks at generic parameters, targets away from them."""
    normal = partial(torch.randn, generator=torch.Generator().manual_seed(0))
    nets = {name: Network(spec, name, range(MEMBERS), CPU) for name, spec in method.networks(sizes).items()}
    with torch.no_grad():
        for net in nets.values():
            net.flat += 0.3 * normal(net.flat.shape)
    return nets


def discounted(discount: float, members: int = MEMBERS) -> dict[str, torch.Tensor]:
    """The knobs of a discount."""
    knobs = knob_tensors([DDPG(discount=discount)] * members, CPU)
    return {name: knobs[name] for name in ("discount", "effective_horizon", "log_discount")}


def batch(rows: int, goal: int = SIZES.goal) -> Batch:
    """Generic transitions, with goals of this size; about half of them at their goals."""
    normal = partial(torch.randn, generator=torch.Generator().manual_seed(1))
    states, next_states, goals, achieved = (normal(MEMBERS, rows, width) for width in (4, 4, goal, goal))
    actions, rewards = torch.tanh(normal(MEMBERS, rows, 3)), -(normal(MEMBERS, rows) > 0).to(torch.get_default_dtype())
    return Batch(states, actions, next_states, goals, achieved, rewards)


def commanded(goals: torch.Tensor) -> torch.Tensor:
    """Which goals ``[M, B, 1]`` of :mod:`tests.unit.stacked.world` are commanded ones; the others are achieved ones."""
    return ((goals % 1 == 0.25) | (goals % 100 == 50))[..., 0]


class Reference:
    """Networks for writing equations in: calls take a network's name and its inputs."""

    def __init__(self, nets: Networks) -> None:
        self._nets = nets
        self._flat = {name: net.flat.detach().clone().requires_grad_() for name, net in nets.items()}

    def __call__(self, name: str, *inputs: torch.Tensor) -> torch.Tensor:
        """With gradients to parameters and inputs."""
        return plain(self._nets[name], self._flat[name], *inputs)

    def constant(self, name: str, *inputs: torch.Tensor) -> torch.Tensor:
        """The parameters as constants; a gradient may reach the inputs."""
        return plain(self._nets[name], self._flat[name].detach(), *inputs)

    def target(self, name: str, *inputs: torch.Tensor) -> torch.Tensor:
        target = self._nets[name].target_flat
        assert target is not None
        return plain(self._nets[name], target, *inputs).detach()

    def log_std(self, name: str) -> torch.Tensor:
        return self._nets[name].leaves(self._flat[name])["log_std"]

    def vector(self, name: str) -> torch.Tensor:
        """The trained vector of a network without inputs, ``[M, outputs]``."""
        return self._nets[name].leaves(self._flat[name])["b0"][:, 0]

    def assert_minimised(
        self, got: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], idle: Collection[str] = ()
    ) -> None:
        """The losses are equal, and so are the gradients of their sum in every parameter; only the leaves ``idle`` have
        none."""
        assert got.keys() == expected.keys()
        for name, values in expected.items():
            torch.testing.assert_close(got[name], values, rtol=1e-9, atol=1e-12)
        leaves = [net.flat for net in self._nets.values()]
        gradients = torch.autograd.grad(torch.stack(list(got.values())).sum(), leaves)
        plainly = torch.autograd.grad(torch.stack(list(expected.values())).sum(), list(self._flat.values()))
        for (name, net), mine, gradient in zip(self._nets.items(), gradients, plainly, strict=True):
            for leaf, values in net.leaves(gradient).items():
                torch.testing.assert_close(net.leaves(mine)[leaf], values, rtol=1e-8, atol=1e-10)
                assert (values.abs().max() > 1e-9) == (f"{name}.{leaf}" not in idle), f"{name}.{leaf}"
