"""OGBench's CRL against NumPy in float64, and its logits on a ring that is small enough to enumerate."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from baselines.ogbench_crl import OGBenchCRL
from smore_sweep.episodes import Episodes
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.replay import Replay
from smore_sweep.stacked.rng import Streams
from smore_sweep.task import Sizes
from smore_sweep.training.learner import Learner
from tests.conftest import Array
from tests.reference.gradients import CLOSE
from tests.reference.wiring import CPU, MEMBERS, SIZES, Reference, batch, networks
from tests.unit.stacked.world import MEMBERS as WORLD_MEMBERS
from tests.unit.stacked.world import N, T, replay

ALPHAS, ROWS, REPR = (0.3, 2.0), 6, 5


@pytest.mark.usefixtures("double")
def test_ogbenchs_crl_minimises_its_equations() -> None:
    method = OGBenchCRL(hidden=12, repr_dim=REPR)
    wanted = torch.randn(MEMBERS, ROWS, SIZES.goal, generator=torch.Generator().manual_seed(2))
    data = dataclasses.replace(batch(ROWS), policy_goals=wanted)
    nets = networks(method)
    got, _ = method.losses(nets, data, {"alpha": torch.tensor(ALPHAS)[:, None]})
    net = Reference(nets)
    s, a, g = data.observations, data.actions, data.goals

    phi, psi = net("phi", s, a), net("psi", g)  # [2, M, B, r]
    probability = 1 / (1 + torch.exp(-torch.einsum("kmir,kmjr->kmij", phi, psi) / math.sqrt(REPR)))
    own = torch.eye(ROWS, dtype=torch.bool)
    contrast = -torch.where(own, probability, 1 - probability).log().mean((-1, -2))
    means = net("pi", s, wanted)
    inside = means.clamp(-1, 1)
    assert (inside != means).any()
    logits = (net.constant("phi", s, inside) * net.constant("psi", wanted).detach()).sum(-1) / math.sqrt(REPR)
    assert (logits[0] > logits[1]).any()
    assert (logits[0] < logits[1]).any()
    q = logits.min(0).values
    cloning = (0.5 * (a - means).square().sum(-1) + 0.5 * math.log(2 * math.pi) * SIZES.action).mean(-1)
    expected = {
        "critic": contrast.mean(0),
        "policy": -q.mean(-1) / (q.detach().abs().mean(-1) + 1e-6) + torch.tensor(ALPHAS) * cloning,
    }
    net.assert_minimised(got, expected)
    for member in range(MEMBERS):
        pairs, ends = phi[:, member].detach().numpy(), psi[:, member].detach().numpy()
        assert got["critic"][member].item() == pytest.approx(cross_entropy(pairs, ends), rel=CLOSE)


def cross_entropy(pairs: Array, ends: Array) -> float:
    """Over both critics and all pairs, one by one."""
    total = 0.0
    for k in range(2):
        for i in range(ROWS):
            for j in range(ROWS):
                p = 1 / (1 + math.exp(-float(pairs[k, i] @ ends[k, j]) / math.sqrt(REPR)))
                total -= math.log(p if i == j else 1 - p)
    return total / (2 * ROWS**2)


def test_goals_of_the_critic_are_geometric_and_of_the_policy_uniform_or_random() -> None:
    world, rows, discount = replay(), 4000, 0.5
    method = OGBenchCRL(discount=discount, random_policy_goals=0.5)
    drawn = method.sample(world, Streams([5] * len(WORLD_MEMBERS), torch.tensor(1)), {}, rows)
    assert drawn.policy_goals is not None
    for member in range(len(WORLD_MEMBERS)):
        own, goals = drawn.observations[member, :, 0], drawn.goals[member, :, 0]
        assert torch.equal(own // 100, goals // 100)
        time, later = own % 100 // 10, goals % 100 // 10
        # Of the goals of first states: s_1 after one step, s_2 after two or more; the very last is never a goal.
        assert float((later[time == 0] == 1).float().mean()) == pytest.approx(1 - discount, abs=0.05)
        assert int(later.max()) == T - 1
        same = (drawn.policy_goals[member, :, 0] // 100) == (own // 100)
        assert float(same.float().mean()) == pytest.approx(0.5 + 0.5 / N, abs=0.03)


STATES, STEPS, DISCOUNT = 5, 8, 0.7
SMALL = Sizes(observation=STATES, goal=STATES, action=1)
BATCH = 128
Integers = NDArray[np.int64]


def ring(episodes: int, seed: int) -> tuple[Episodes, Integers, Integers]:
    """Each step leads one or two states on, as its action says; also places ``[N, T + 1]`` and steps ``[N, T]``."""
    random = np.random.default_rng(seed)
    steps = random.integers(1, 3, (episodes, STEPS))
    starts = random.integers(0, STATES, (episodes, 1))
    places = (starts + np.concatenate([np.zeros((episodes, 1), int), steps.cumsum(1)], 1)) % STATES
    observations = np.eye(STATES, dtype=np.float32)[places]
    actions = (2.0 * steps - 3.0)[..., None].astype(np.float32)
    return Episodes(observations, actions, observations, observations[:, -1]), places, steps


def log_ratios(places: Integers, steps: Integers) -> Array:
    """log p(g | s, a) / p(g), by state, action and goal: exact, by enumeration of all transitions and goals' times."""
    joint = np.zeros((STATES, 2, STATES))
    for episode in range(len(places)):
        for time in range(STEPS):
            for steps_on in range(1, 200):
                goal = places[episode, min(time + steps_on, STEPS - 1)]
                share = (1 - DISCOUNT) * DISCOUNT ** (steps_on - 1)
                joint[places[episode, time], steps[episode, time] - 1, goal] += share
    joint /= joint.sum()
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(joint / (joint.sum(2, keepdims=True) * joint.sum((0, 1)))))


def test_logits_are_log_ratios_of_probabilities() -> None:
    """Up to log(B - 1), since a goal has B - 1 negatives."""
    data, places, steps = ring(6, 0)
    other, *_ = ring(1, 1)
    store = EpisodeStore.build(data, other, 0.1)
    world = Replay(store, expert_episodes=[6], episodes=6, threshold=0.1, normalize=False, device=CPU)
    method = OGBenchCRL(hidden=32, hidden_layers=2, repr_dim=16, discount=DISCOUNT, learning_rate=3e-3)
    learner = Learner([method], [0], SMALL, world, batch_size=BATCH, updates=10_000, device=CPU)
    for _ in range(500):
        learner.update()
    eye, both = torch.eye(STATES), torch.tensor([-1.0, 1.0])
    with torch.no_grad():
        pairs = learner.nets["phi"].frozen(eye.repeat_interleave(2, 0)[None], both.repeat(STATES)[None, :, None])
        ends = learner.nets["psi"].frozen(eye[None])
    logits = (pairs @ ends.transpose(-1, -2))[:, 0].mean(0) / math.sqrt(16)
    got = logits.view(STATES, 2, STATES).numpy() + math.log(BATCH - 1)
    expected = log_ratios(places, steps)
    likely = expected > -1.5
    assert np.ptp(expected[likely]) > 2.5
    errors = np.abs(got - expected)[likely]
    assert errors.max() < 0.6, np.round(np.stack([got, expected]), 2)
    assert errors.mean() < 0.15, np.round(np.stack([got, expected]), 2)
