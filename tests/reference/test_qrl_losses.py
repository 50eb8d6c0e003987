"""QRL's losses against NumPy and textbook operations in float64, and its distance on a ring of one-way steps."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter

import numpy as np
import pytest
import torch

from baselines._iqe import GROUP, iqe
from baselines.qrl import QRL, sigmoid
from smore_sweep.episodes import Episodes
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.replay import Batch, Replay
from smore_sweep.stacked.rng import Streams
from smore_sweep.task import Sizes
from smore_sweep.training.learner import Learner
from tests.reference.gradients import CLOSE
from tests.reference.test_iqe import distance
from tests.reference.wiring import CPU, MEMBERS, Reference, batch, networks
from tests.unit.stacked.world import MEMBERS as WORLD_MEMBERS
from tests.unit.stacked.world import N, T, replay

SIZES = Sizes(observation=4, goal=4, action=3)
ALPHAS = (0.3, 2.0)
ROWS = 12
STATES, STEPS = 5, 9
RING = Sizes(observation=STATES, goal=STATES, action=1)


def ring(episodes: int) -> Episodes:
    """Each step leads one state on; there is no way back but round. Observations are one-hot."""
    places = (np.arange(episodes)[:, None] + np.arange(STEPS + 1)) % STATES
    observations = np.eye(STATES, dtype=np.float32)[places]
    actions = np.ones((episodes, STEPS, 1), np.float32)
    return Episodes(observations, actions, observations, observations[:, -1])


def learner(method: QRL, members: int = 1, batch_size: int = 64) -> Learner:
    store = EpisodeStore.build(ring(STATES), ring(1), 0.1)
    world = Replay(
        store, expert_episodes=[STATES] * members, episodes=STATES, threshold=0.1, normalize=False, device=CPU
    )
    return Learner([method] * members, range(members), RING, world, batch_size=batch_size, updates=1000, device=CPU)


def data() -> Batch:
    wanted = torch.randn(MEMBERS, ROWS, SIZES.goal, generator=torch.Generator().manual_seed(2))
    return dataclasses.replace(batch(ROWS, SIZES.goal), policy_goals=wanted)


def covered(x: torch.Tensor, y: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """The distance ``[M, B]`` by cells between sorted ends: each counts if an interval covers it."""
    x, y = (v.view(*v.shape[:2], GROUP, -1).transpose(-1, -2) for v in (x, y))  # [M, B, groups, 8]
    ends = torch.maximum(x, y)
    points = torch.cat([x, ends], -1).sort(-1).values
    left, right = points[..., :-1, None], points[..., 1:, None]
    inside = ((x[..., None, :] <= left) & (right <= ends[..., None, :])).any(-1)
    parts = ((right - left)[..., 0] * inside).sum(-1)
    return share * parts.mean(-1) + (1 - share) * parts.max(-1).values


@pytest.mark.usefixtures("double")
def test_qrl_minimises_its_equations() -> None:
    method, rows = QRL(hidden=12, components=3, epsilon=0.2), data()
    nets = networks(method, SIZES)
    got, info = method.losses(nets, rows, {"alpha": torch.tensor(ALPHAS)[:, None]})
    net = Reference(nets)
    s, s2, g, a, w = rows.observations, rows.next_observations, rows.goals, rows.actions, rows.policy_goals
    assert w is not None

    share = 1 / (1 + torch.exp(-net.vector("mean_share")))  # [M, 1]
    multiplier = torch.exp(net.vector("lambda"))[:, 0]
    here, after, there = net("phi", s), net("phi", s2), net("phi", g)
    excess = (covered(here, after, share) - 1).clamp(min=0).square().mean(-1)
    assert (excess > 0).all()
    far = covered(here, there, share)
    pushed = (100 * torch.log1p(torch.exp(5 - far / 100))).mean(-1)
    p = here + net("F", here, a)
    model = (covered(after, p, share) + covered(p, after, share)).mean(-1) / 2

    start, means = net.constant("phi", s).detach(), net("pi", s, w)
    inside = means.clamp(-1, 1)
    assert (inside != means).any()
    reached = start + net.constant("F", start, inside)
    q = -covered(reached, net.constant("phi", w).detach(), share.detach())
    cloning = (0.5 * (a - means).square().sum(-1) + 0.5 * math.log(2 * math.pi) * SIZES.action).mean(-1)
    expected = {
        "distance": pushed + multiplier.detach() * excess,
        "multiplier": multiplier * (0.2 - excess.detach()),
        "model": model,
        "policy": -q.mean(-1) / (q.detach().abs().mean(-1) + 1e-6) + torch.tensor(ALPHAS) * cloning,
    }
    net.assert_minimised(got, expected)
    for member in range(MEMBERS):
        x, y, mixed = (v[member].detach().numpy() for v in (here, there, share))
        lengths = np.array([distance(x[row], y[row], float(mixed[0])) for row in range(ROWS)])
        assert info["distance_mean"][member].item() == pytest.approx(lengths.mean(), rel=CLOSE)
        by_hand = (100 * np.log1p(np.exp(5 - lengths / 100))).mean()
        assert pushed[member].item() == pytest.approx(by_hand, rel=CLOSE)


def test_the_multiplier_grows_while_steps_are_too_long() -> None:
    """Dual ascent: the gradient of log lambda is lambda (epsilon - C), whose negative is the step's direction."""
    long, short = QRL(hidden=12, components=3, epsilon=0.0), QRL(hidden=12, components=3, epsilon=1e3)
    for method, sign in ((long, -1.0), (short, 1.0)):
        nets = networks(method, SIZES)
        losses, info = method.losses(nets, data(), {"alpha": torch.tensor(ALPHAS)[:, None]})
        assert (info["excess"] > 0).all()
        (gradient,) = torch.autograd.grad(losses["multiplier"].sum(), nets["lambda"].flat)
        assert (torch.sign(nets["lambda"].leaves(gradient)["b0"]) == sign).all()


def test_trained_numbers_do_not_depend_on_the_stack() -> None:
    """They start at 0: lambda at 1, the share of the mean at 1/2. Twenty members fill vectors of a CPU, and one does
    not."""
    alone, together = (learner(QRL(hidden=12, components=3), members, batch_size=8) for members in (1, 20))
    for net in ("lambda", "mean_share"):
        assert not together.nets[net].vector.any()
    for _ in range(5):
        alone.update()
        together.update()
    for name, values in alone.metrics().items():
        assert together.metrics()[name][0] == values[0]
    assert (together.metrics()["lambda"] != 1.0).all()
    for name, array in alone.state()[0].items():
        np.testing.assert_array_equal(together.state()[0][name], array)


def test_goals_are_random_states_of_the_dataset() -> None:
    world, rows = replay(), 4000
    drawn = QRL(random_policy_goals=0.0).sample(world, Streams([5] * len(WORLD_MEMBERS), torch.tensor(1)), {}, rows)
    assert drawn.policy_goals is not None
    for member in range(len(WORLD_MEMBERS)):
        own, goals = drawn.achieved_goals[member, :, 0] // 100, drawn.goals[member, :, 0]
        assert float((goals // 100 == own).float().mean()) == pytest.approx(1 / N, abs=0.03)
        counts = Counter(goals.tolist())
        assert len(counts) == N * T
        assert max(counts.values()) < 1.3 * rows / (N * T)
        assert torch.equal(drawn.policy_goals[member, :, 0] // 100, own)


def test_the_distance_is_the_number_of_steps_round_a_ring() -> None:
    """Every step leads on, so the way back is all the way round."""
    trained = learner(QRL(hidden=32, hidden_layers=1, components=8, epsilon=0.001, learning_rate=1e-2))
    for _ in range(400):
        trained.update()
    eye = torch.eye(STATES)[None]
    with torch.no_grad():
        share = sigmoid(trained.nets["mean_share"].vector[..., 0])
        phi = trained.nets["phi"].frozen(eye)
        got = iqe(phi.repeat_interleave(STATES, 1), phi.repeat(1, STATES, 1), share).view(STATES, STATES).numpy()
    steps = (np.arange(STATES) - np.arange(STATES)[:, None]) % STATES
    assert np.abs(got - steps).max() < 0.5, np.round(got, 2)
    assert np.abs(got - steps).mean() < 0.2, np.round(got, 2)
