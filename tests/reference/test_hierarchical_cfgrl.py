"""Hierarchical CFGRL against its equations in float64, and its sub-goals enumerated."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from baselines.cfgrl import guided
from baselines.hierarchical_cfgrl import HierarchicalCFGRL
from smore_sweep.stacked.networks import Network
from smore_sweep.stacked.rng import Draws, Streams
from tests.reference.wiring import CPU, MEMBERS, SIZES, Reference, batch, networks
from tests.unit.stacked.world import MEMBERS as WORLD_MEMBERS
from tests.unit.stacked.world import T, replay

ROWS = 20


@pytest.mark.usefixtures("double")
def test_it_minimises_its_equations() -> None:
    method, random = HierarchicalCFGRL(hidden=12), torch.Generator().manual_seed(4)
    others: dict[str, torch.Tensor] = {}
    flags: dict[str, torch.Tensor] = {}
    for name, size in (("high", SIZES.observation), ("pi", SIZES.action)):
        start, tau = torch.randn(MEMBERS, ROWS, size, generator=random), torch.rand(MEMBERS, ROWS, 1, generator=random)
        flags[name] = (torch.rand(MEMBERS, ROWS, 1, generator=random) < 0.4).double()
        others |= {f"{name} noise": torch.cat([start, tau], -1), f"{name} flag": flags[name]}
    for name in ("on the way", "ahead"):
        others[name] = torch.randn(MEMBERS, ROWS, SIZES.observation, generator=random)
    data = replace(batch(ROWS), others=others)
    nets = networks(method)
    got, _ = method.losses(nets, data, {})
    net = Reference(nets)

    def flow(name: str, goals: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        x0, tau = others[f"{name} noise"][..., :-1], others[f"{name} noise"][..., -1:]
        seen = torch.where(flags[name] == 1, 0.0, goals)
        velocity = net(name, data.observations, seen, flags[name], (1 - tau) * x0 + tau * target, tau)
        return ((velocity - target + x0) ** 2).mean((1, 2))

    high = flow("high", data.goals, others["on the way"])
    net.assert_minimised(got, {"high": high, "policy": flow("pi", others["ahead"], data.actions)})


@pytest.mark.parametrize("size", [1, 2, 100])
def test_subgoals_are_so_many_steps_on_and_not_beyond_goal_or_end(size: int) -> None:
    world, members = replay(), len(WORLD_MEMBERS)
    method = HierarchicalCFGRL(subgoal_steps=size)
    shares = torch.full((members, 1), 0.3)
    drawn = method.sample(world, Streams([5] * members, torch.tensor(1)), {"null_share": shares}, 2000)
    start, goal = drawn.observations[..., 0], drawn.goals[..., 0].round()
    time, steps = start % 100 // 10, torch.div(goal - start, 10, rounding_mode="floor")
    assert set(steps.flatten().tolist()) == {0.0, 1.0, 2.0}  # 0 at the last transition alone
    assert torch.equal(drawn.others["on the way"][..., 0], start + 10 * steps.clamp(max=size))
    assert torch.equal(drawn.others["ahead"][..., 0], start + 10 * (T - 1 - time).clamp(max=size))
    flags = [drawn.others[f"{name} flag"].mean((1, 2)) for name in ("high", "pi")]
    assert all(flag.tolist() == pytest.approx([0.3] * members, abs=0.04) for flag in flags)
    assert not torch.equal(drawn.others["high flag"], drawn.others["pi flag"])


def test_both_levels_are_guided() -> None:
    method = HierarchicalCFGRL(hidden=12, guidance=2.0)
    specs, random = method.networks(SIZES), torch.Generator().manual_seed(6)
    nets = {name: Network(specs[name], name, [3], CPU) for name in method.acts_with}
    states, goals = (torch.randn(1, ROWS, size, generator=random) for size in (SIZES.observation, SIZES.goal))
    draws = Draws("Task", range(ROWS), 3)
    subgoals = guided(nets, "high", states, goals, draws.normal("subgoal", SIZES.observation), 2.0)
    expected = guided(nets, "pi", states, subgoals, draws.normal("action", SIZES.action), 2.0).clamp(-1, 1)
    assert torch.equal(method.sample_actions(nets, states, goals, draws), expected)


def test_constants_by_task() -> None:
    assert HierarchicalCFGRL().by_task("cube-single-play") == {}
    assert HierarchicalCFGRL().by_task("FetchPush") == {"subgoal_steps": 10, "normalize_inputs": True}
