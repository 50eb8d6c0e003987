"""SHARSA against its equations in float64, its cut at goals and ends enumerated, and its values on a chain."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines.sharsa import SHARSA, STEPS, onward
from smore_sweep.episodes import Episodes
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.goals import Transitions
from smore_sweep.stacked.networks import Network, Networks
from smore_sweep.stacked.replay import Batch, Replay
from smore_sweep.stacked.rng import Draws, Streams
from smore_sweep.task import Sizes
from smore_sweep.training.learner import Learner
from tests.reference.wiring import CPU, MEMBERS, SIZES, Reference, batch, networks
from tests.unit.stacked.world import MEMBERS as WORLD_MEMBERS
from tests.unit.stacked.world import N, T, own_episodes, replay

ROWS, SEEN, SIZE = 30, SIZES.observation, SIZES.action


def subgoals() -> Batch:
    random = torch.Generator().manual_seed(7)

    def normal(width: int) -> torch.Tensor:
        return torch.randn(MEMBERS, ROWS, width, generator=random)

    def noise(width: int) -> torch.Tensor:
        return torch.cat([normal(width), torch.rand(MEMBERS, ROWS, 1, generator=random)], -1)

    steps, hits = (
        torch.randint(0, 5, (MEMBERS, ROWS), generator=random),
        torch.rand(MEMBERS, ROWS, generator=random) < 0.5,
    )
    factor = 0.9**steps
    others = {
        "discounts": torch.where(hits, 0.0, factor),
        "on the way": normal(SEEN), "ahead": normal(SEEN), "low goals": normal(SEEN), "next": normal(SEEN),
        "high noise": noise(SEEN), "low noise": noise(SIZE),
        "low hits": (torch.rand(MEMBERS, ROWS, generator=random) < 0.3).to(torch.get_default_dtype()),
    }  # fmt: skip
    return replace(batch(ROWS), rewards=torch.where(hits, factor, 0.0), policy_goals=normal(SIZES.goal), others=others)


def entropy(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    p = 1 / (1 + torch.exp(-logits))
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean(-1)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("twofold", [False, True])
def test_sharsa_minimises_its_equations(twofold: bool) -> None:
    method, data = SHARSA(hidden=12, double=twofold, subgoal_steps=4), subgoals()
    nets = networks(method)
    got, _ = method.losses(nets, data, {})
    net, others = Reference(nets), data.others
    s, u, g, w = data.observations, data.next_observations, data.goals, data.policy_goals
    assert w is not None

    def sigmoid(logits: torch.Tensor) -> torch.Tensor:
        return 1 / (1 + torch.exp(-logits[..., 0]))

    def flow(name: str, goals: torch.Tensor, data: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        x0, tau = noise[..., :-1], noise[..., -1:]
        return ((net(name, s, goals, (1 - tau) * x0 + tau * data, tau) - (data - x0)) ** 2).mean((1, 2))

    y = data.rewards + others["discounts"] * sigmoid(net.constant("V", u, g)).detach()
    assert ((data.rewards > 0) == (others["discounts"] == 0)).all()
    expected = {
        "critic": entropy(net("Q", s, g, u)[..., 0], y).sum(0),
        "value": entropy(net("V", s, g)[..., 0], sigmoid(net.target("Q", s, g, u)).min(0).values),
        "high": flow("high", w, others["on the way"], others["high noise"]),
        "policy": flow("pi", others["ahead"], data.actions, others["low noise"]),
    }
    if twofold:
        near, hit, a = others["low goals"], others["low hits"], data.actions
        bootstrapped = 0.75 * sigmoid(net.constant("low V", others["next"], near)).detach()
        low = torch.where(hit == 1, 1.0, bootstrapped)
        expected["low critic"] = entropy(net("low Q", s, near, a)[..., 0], low).sum(0)
        slow = sigmoid(net.target("low Q", s, near, a)).min(0).values
        expected["low value"] = entropy(net("low V", s, near)[..., 0], slow)
    net.assert_minimised(got, expected)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
def test_a_hit_is_where_the_goal_cut_the_steps_and_never_at_an_end_alone(size: int) -> None:
    """Every transition with every state and every commanded goal of the store as its goal."""
    goals = replay().goals
    rows = T + 1
    for episode in range(N):
        for time in range(T):
            every = torch.arange(len(goals.table))[None]
            drawn = Transitions(torch.full_like(every, episode), torch.full_like(every, time), every)
            steps, hit = onward(goals, drawn, size, T)
            for goal in range(len(goals.table)):
                ahead = (
                    goal - (episode * rows + time) if goal // rows == episode and goal < goals.first_commanded else -1
                )
                reached = 0 <= ahead < size
                assert bool(hit[0, goal]) is reached
                assert int(steps[0, goal]) == (ahead if reached else min(size, T - time))


@pytest.mark.parametrize("size", [2, 3])
def test_batches_are_cut_as_the_equations_say(size: int) -> None:
    world, discount = replay(), 0.5
    members = range(len(WORLD_MEMBERS))
    method = SHARSA(subgoal_steps=size, discount=discount, double=True)
    drawn = method.sample(world, Streams([5] * len(members), torch.tensor(1)), {}, 3000)
    others = drawn.others
    seen = set()
    for member in members:
        names = ("observations", "next_observations", "goals", "rewards")
        start, after, goal, reward = (getattr(drawn, name)[member].flatten().tolist() for name in names)
        ahead = others["ahead"][member].flatten().tolist()
        for s, u, g, r, f, w in zip(
            start, after, goal, reward, others["discounts"][member].tolist(), ahead, strict=True
        ):
            steps, left = round(u - s) // 10, T - round(s) % 100 // 10
            far = round((round(g) - s) / 10)
            same = round(s) // 100 == round(g) // 100 and round(g) % 10 == 0
            if r > 0:
                assert same
                assert 0 <= steps == far < size
                assert (r, f) == (discount**steps, 0)
            else:
                assert steps == min(size, left)
                assert f == pytest.approx(discount**steps)
            assert round(w - s) // 10 == min(size, left - 1)
            seen.add((r > 0, left == 1))
        reached = others["low hits"][member] == 1
        assert torch.equal(reached, others["low goals"][member, :, 0] == drawn.observations[member, :, 0])
        assert others["next"][member].flatten().tolist() == [s + 10 for s in start]
    assert len(own_episodes(0)) == N
    assert seen == {(True, True), (True, False), (False, True), (False, False)}


LENGTH, CHAIN_DISCOUNT, SUBGOAL = 8, 0.8, 3


def test_on_a_chain_the_critic_is_the_discount_to_the_power_of_the_steps() -> None:
    """One episode through states that occur once: for goals ahead Q = discount^d, whether cut or bootstrapped."""
    states = np.eye(LENGTH + 1, dtype=np.float32)[None]
    random = np.random.default_rng(0).uniform(-1, 1, (1, LENGTH, 1)).astype(np.float32)
    pool = Episodes(states, random, states, states[:, -1])
    replay = Replay(
        EpisodeStore.build(pool, pool, 0.1), expert_episodes=[1], episodes=1, threshold=0.1, normalize=False, device=CPU
    )
    method = SHARSA(
        hidden=16, hidden_layers=1, subgoal_steps=SUBGOAL, discount=CHAIN_DISCOUNT, learning_rate=1e-2, target_rate=0.05
    )
    sizes = Sizes(observation=LENGTH + 1, goal=LENGTH + 1, action=1)
    learner = Learner([method], [0], sizes, replay, batch_size=64, updates=10_000, device=CPU)
    for _ in range(400):
        learner.update()
    pairs = [(s, g) for s in range(LENGTH) for g in range(s, LENGTH)]  # the last state is no goal
    start, goal = (torch.eye(LENGTH + 1)[[pair[i] for pair in pairs]][None] for i in (0, 1))
    end = torch.eye(LENGTH + 1)[[min(s + SUBGOAL, g, LENGTH) for s, g in pairs]][None]
    got = torch.sigmoid(learner.nets["Q"].frozen(start, goal, end)[..., 0]).mean(0)[0]
    expected = torch.tensor([CHAIN_DISCOUNT ** (g - s) for s, g in pairs])
    assert float((got - expected).abs().max()) < 0.06, torch.stack([got, expected]).T


def acting(method: SHARSA) -> tuple[Networks, torch.Tensor, torch.Tensor, Draws]:
    specs, random = method.networks(SIZES), torch.Generator().manual_seed(6)
    nets = {name: Network(specs[name], name, [3], CPU) for name in method.acts_with}
    states, goals = (torch.randn(1, ROWS, size, generator=random) for size in (SEEN, SIZES.goal))
    return nets, states, goals, Draws("Task", range(ROWS), 3)


@pytest.mark.parametrize("twofold", [False, True])
def test_it_acts_by_the_best_subgoal_and_in_the_double_form_the_best_action(twofold: bool) -> None:
    count = 5
    method = SHARSA(hidden=12, double=twofold, samples=count)
    nets, states, goals, draws = acting(method)

    def carried(name: str, goals: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        for step in range(STEPS):
            x = x + nets[name].frozen(states, goals, x, torch.full((1, ROWS, 1), step / STEPS)) / STEPS
        return x

    def best(name: str, goals: torch.Tensor, each: list[torch.Tensor]) -> torch.Tensor:
        scores = torch.stack([nets[name].frozen(states, goals, x)[..., 0].min(0).values for x in each])
        assert len(set(scores.argmax(0).flatten().tolist())) > 1
        return torch.stack(each)[scores.argmax(0)[0], 0, torch.arange(ROWS)][None]

    start = draws.normal("subgoal", count, SEEN)
    subgoals = best("Q", goals, [carried("high", goals, start[:, :, i]) for i in range(count)])
    if twofold:
        start = draws.normal("action", count, SIZE)
        each = [carried("pi", subgoals, start[:, :, i]).clamp(-1, 1) for i in range(count)]
        expected = best("low Q", subgoals, each)
    else:
        expected = carried("pi", subgoals, draws.normal("action", SIZE)).clamp(-1, 1)
    got = method.sample_actions(nets, states, goals, draws)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_constants_by_task() -> None:
    assert SHARSA().by_task("pointmaze-medium-navigate") == {}
    assert SHARSA().by_task("humanoidmaze-giant-navigate") == {"subgoal_steps": 50}
    assert SHARSA().by_task("FetchPush") == {"subgoal_steps": 10, "discount": 0.98, "normalize_inputs": True}
    assert math.isclose(SHARSA().discount, 0.999)
