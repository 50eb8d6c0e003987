"""CFGRL against its equations in float64, and its guidance where the guided policy is known."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from baselines.cfgrl import CFGRL, STEPS, guided
from smore_sweep.stacked.rng import Draws, Streams
from tests.reference.wiring import CPU, MEMBERS, SIZES, Reference, batch, networks
from tests.unit.stacked.world import MEMBERS as WORLD_MEMBERS
from tests.unit.stacked.world import T, replay

ROWS = 20


@pytest.mark.usefixtures("double")
def test_cfgrl_minimises_its_equation() -> None:
    method, data = CFGRL(hidden=12), batch(ROWS)
    random = torch.Generator().manual_seed(4)
    start, tau = (
        torch.randn(MEMBERS, ROWS, SIZES.action, generator=random),
        torch.rand(MEMBERS, ROWS, 1, generator=random),
    )
    flags = (torch.rand(MEMBERS, ROWS, 1, generator=random) < 0.4).double()
    assert 0 < flags.sum() < flags.numel()
    nets = networks(method)
    got, _ = method.losses(nets, data.with_noise(torch.cat([start, tau, flags], -1)), {})
    net = Reference(nets)
    goals = torch.where(flags == 1, 0.0, data.goals)
    velocity = net("pi", data.observations, goals, flags, (1 - tau) * start + tau * data.actions, tau)
    errors = (velocity - data.actions + start) ** 2
    net.assert_minimised(got, {"policy": errors.sum(-1).mean(-1) / SIZES.action})


def acting(method: CFGRL) -> tuple[Any, torch.Tensor, torch.Tensor, Draws]:
    """Networks of one member, observations, goals and random numbers."""
    nets = {name: type(net)(net.spec, name, [0], CPU) for name, net in networks(method).items()}
    random = torch.Generator().manual_seed(6)
    states, goals = (torch.randn(1, ROWS, size, generator=random) for size in (SIZES.observation, SIZES.goal))
    return nets, states, goals, Draws("Task", range(ROWS), 3)


@pytest.mark.parametrize("guidance", [0.0, 1.0])
def test_without_and_with_full_guidance_it_is_a_clone(guidance: float) -> None:
    """w = 0 is the behaviour's flow, w = 1 that of the goal's clone, followed from the same noise."""
    method = CFGRL(hidden=12, guidance=guidance)
    nets, states, goals, draws = acting(method)
    x = draws.normal("action", SIZES.action)
    flag = torch.full((1, ROWS, 1), 1.0 - guidance)
    for step in range(STEPS):
        time = torch.full((1, ROWS, 1), step / STEPS)
        x = x + nets["pi"].frozen(states, guidance * goals, flag, x, time) / STEPS
    got = method.sample_actions(nets, states, goals, draws)
    torch.testing.assert_close(got, x.clamp(-1, 1), rtol=1e-5, atol=1e-6)
    other = replace(method, guidance=2.0).sample_actions(nets, states, goals, draws)
    assert not torch.allclose(got, other, atol=1e-3)


SPREAD = 0.05
REACHES = (0.3, 0.6)
"""p(g|a) of the bandit's two actions, -0.5 and 0.5, which the behaviour takes equally often."""


def bandit(states: torch.Tensor, goals: torch.Tensor, flags: torch.Tensor, x: torch.Tensor, tau: torch.Tensor) -> Any:
    """The best velocity for two narrow Gaussians, weighed by p(a) without a goal and by p(a|g) with one."""
    reaches = torch.tensor(REACHES)
    weights = torch.where(flags == 1, torch.tensor([0.5, 0.5]), reaches / reaches.sum())
    means, variance = torch.tensor([-0.5, 0.5]), (1 - tau) ** 2 + (tau * SPREAD) ** 2
    velocities = means + (tau * SPREAD**2 - (1 - tau)) / variance * (x - tau * means)
    share = torch.softmax(torch.log(weights) - 0.5 * (x - tau * means) ** 2 / variance, -1)
    return (share * velocities).sum(-1, keepdim=True)


@pytest.mark.parametrize("guidance", [0.0, 1.0, 2.0, 3.0])
def test_guidance_follows_the_power_of_the_chance_to_reach_the_goal(guidance: float) -> None:
    """Odds are (0.6 / 0.3)^w: exactly at 0 and 1. Guided steps are no exact sampler of the power, so roughly beyond."""
    rows = 4000
    nothing, start = torch.zeros(1, rows, 1), torch.randn(1, rows, 1, generator=torch.Generator().manual_seed(1))
    nets: Any = {"pi": SimpleNamespace(frozen=bandit)}
    actions = guided(nets, "pi", nothing, nothing, start, guidance)
    expected = 2**guidance / (1 + 2**guidance)
    assert float((actions > 0).double().mean()) == pytest.approx(expected, abs=0.03 if guidance <= 1 else 0.08)


def test_goals_are_later_states_and_some_are_left_out() -> None:
    world, rows = replay(), 4000
    shares = torch.tensor([0.1, 0.3, 0.6])[:, None]
    drawn = CFGRL().sample(world, Streams([5] * len(WORLD_MEMBERS), torch.tensor(1)), {"null_share": shares}, rows)
    start, goal = drawn.observations[..., 0], drawn.goals[..., 0]
    assert torch.equal(start // 100, goal // 100)
    time, later = start % 100 // 10, goal % 100 // 10
    assert (later[time < T - 1] > time[time < T - 1]).all()
    assert drawn.noise is not None
    assert drawn.noise.shape == (len(WORLD_MEMBERS), rows, 3)
    assert drawn.noise[..., -1].mean(-1).tolist() == pytest.approx([0.1, 0.3, 0.6], abs=0.03)


def test_inputs_are_normalised_on_tasks_that_are_not_ogbenchs() -> None:
    assert CFGRL().by_task("FetchPush") == {"normalize_inputs": True}
    assert CFGRL().by_task("pointmaze-medium-navigate") == {}
