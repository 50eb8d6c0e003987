"""Hierarchical CFGRL against its equations in float64, and its sub-goals enumerated."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from baselines import _ogbench
from baselines.cfgrl import guided
from baselines.hierarchical_cfgrl import HierarchicalCFGRL, order_loss
from smore_sweep.errors import DeclarationError
from smore_sweep.stacked.networks import Network
from smore_sweep.stacked.rng import Draws, Streams
from tests.reference.wiring import CPU, MEMBERS, SIZES, Reference, batch, networks
from tests.unit.stacked.world import MEMBERS as WORLD_MEMBERS
from tests.unit.stacked.world import T, replay

ROWS = 20


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("filtered", [False, True])
def test_it_minimises_its_equations(filtered: bool) -> None:
    method, random = HierarchicalCFGRL(hidden=12, order_filter=filtered), torch.Generator().manual_seed(4)
    others: dict[str, torch.Tensor] = {}
    flags: dict[str, torch.Tensor] = {}
    for name, size in (("high", SIZES.observation), ("pi", SIZES.action)):
        start, tau = torch.randn(MEMBERS, ROWS, size, generator=random), torch.rand(MEMBERS, ROWS, 1, generator=random)
        flags[name] = (torch.rand(MEMBERS, ROWS, 1, generator=random) < 0.4).double()
        others |= {f"{name} noise": torch.cat([start, tau], -1), f"{name} flag": flags[name]}
    for name in ("on the way", "ahead"):
        others[name] = torch.randn(MEMBERS, ROWS, SIZES.observation, generator=random)
    uniform = others["order"] = torch.rand(MEMBERS, ROWS, 1, generator=random)
    data = replace(batch(ROWS), others=others)
    nets = networks(method)
    got, _ = method.losses(nets, data, {})
    net = Reference(nets)

    def flow(name: str, goals: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        x0, tau = others[f"{name} noise"][..., :-1], others[f"{name} noise"][..., -1:]
        seen = torch.where(flags[name] == 1, 0.0, goals)
        velocity = net(name, data.observations, seen, flags[name], (1 - tau) * x0 + tau * target, tau)
        return ((velocity - target + x0) ** 2).mean((1, 2))

    expected = {
        "high": flow("high", data.goals, others["on the way"]),
        "policy": flow("pi", others["ahead"], data.actions),
    }
    if filtered:
        kinds = torch.bucketize(uniform[..., 0], torch.tensor([0.5, 0.7, 0.9]), right=True)
        assert set(kinds.flatten().tolist()) == {0, 1, 2, 3}
        triples: list[list[torch.Tensor]] = [[], [], []]
        for member, row in [(m, r) for m in range(MEMBERS) for r in range(ROWS)]:
            s, w, g = data.observations[member, row], others["on the way"][member, row], data.goals[member, row]
            other_goal, other_subgoal = data.goals[member, row - 1], others["on the way"][member, row - 1]
            kind = int(kinds[member, row])
            triple = [(s, w, g), (s, w, other_goal), (w, s, g), (s, other_subgoal, g)][kind]
            for column, part in zip(triples, triple, strict=True):
                column.append(part)
        p = 1 / (1 + torch.exp(-net("order", *(torch.stack(c).view(MEMBERS, ROWS, -1) for c in triples))[..., 0]))
        expected["order"] = -torch.where(kinds == 0, torch.log(p), torch.log(1 - p)).mean(-1)
    net.assert_minimised(got, expected)


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
    subgoals = guided(nets, "high", states, goals, draws.normal("subgoal", 1, SIZES.observation)[:, :, 0], 2.0)
    expected = guided(nets, "pi", states, subgoals, draws.normal("action", SIZES.action), 2.0).clamp(-1, 1)
    assert torch.equal(method.sample_actions(nets, states, goals, draws), expected)


def test_of_the_subgoals_the_one_in_the_best_order_is_taken() -> None:
    count = 5
    method = HierarchicalCFGRL(hidden=12, guidance=2.0, order_filter=True, samples=count)
    specs, random = method.networks(SIZES), torch.Generator().manual_seed(6)
    nets = {name: Network(specs[name], name, [3], CPU) for name in method.acts_with}
    states, goals = (torch.randn(1, ROWS, size, generator=random) for size in (SIZES.observation, SIZES.goal))
    draws = Draws("Task", range(ROWS), 3)
    start = draws.normal("subgoal", count, SIZES.observation)
    each = [guided(nets, "high", states, goals, start[:, :, i], 2.0) for i in range(count)]
    logits = torch.stack([nets["order"].frozen(states, subgoal, goals)[0, :, 0] for subgoal in each])
    assert len(set(logits.argmax(0).tolist())) > 1
    best = torch.stack(each)[logits.argmax(0), 0, torch.arange(ROWS)][None]
    expected = guided(nets, "pi", states, best, draws.normal("action", SIZES.action), 2.0).clamp(-1, 1)
    torch.testing.assert_close(method.sample_actions(nets, states, goals, draws), expected, rtol=1e-4, atol=1e-5)


def test_the_classifier_learns_what_follows_what() -> None:
    """On a line of states that are walked up, a state ahead on the way to the goal is told from one behind."""
    classifier = Network(_ogbench.value_network(3, (16,), 1e-3), "order", [0], CPU)
    optimiser = torch.optim.Adam([classifier.flat], lr=1e-2)
    random = torch.Generator().manual_seed(0)
    for _ in range(100):
        state, way, uniform = torch.rand(3, 1, 128, 1, generator=random)
        goal = state + way * (1 - state)
        loss = order_loss(classifier, state, torch.minimum(state + 0.2, goal), goal, uniform)
        (classifier.flat.grad,) = torch.autograd.grad(loss.sum(), classifier.flat)
        optimiser.step()
    here, goal = torch.full((1, 2, 1), 0.4), torch.full((1, 2, 1), 0.9)
    ahead, behind = classifier.frozen(here, torch.tensor([0.6, 0.2])[None, :, None], goal)[0, :, 0].tolist()
    assert ahead > 0 > behind


def test_samples_without_the_filter_are_refused() -> None:
    with pytest.raises(DeclarationError, match="samples = 4 needs order_filter = true"):
        HierarchicalCFGRL(samples=4)


def test_constants_by_task() -> None:
    assert HierarchicalCFGRL().by_task("cube-single-play") == {}
    assert HierarchicalCFGRL().by_task("FetchPush") == {"subgoal_steps": 10, "normalize_inputs": True}
