"""HILP against its equations in float64, and on a line of states whose distances are known."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from baselines import hilp
from baselines.hilp import HILP, direction, places, value, waypoint
from baselines.u2o import U2O
from smore_sweep.episodes import Episodes
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.replay import Batch, Replay
from smore_sweep.stacked.rng import Draws
from smore_sweep.task import Sizes
from smore_sweep.training.learner import Learner
from tests.reference.wiring import MEMBERS, SIZES, Reference, batch, networks

LATENT, ROWS = 3, 40
EXPECTILES, SKILL_EXPECTILES, TEMPERATURES = (0.9, 0.6), (0.8, 0.7), (2.0, 0.5)
"""Of two members."""


def with_skills() -> Batch:
    noise = torch.randn(MEMBERS, ROWS, LATENT, generator=torch.Generator().manual_seed(3))
    return batch(ROWS).with_noise(noise)


@pytest.mark.usefixtures("double")
def test_hilp_minimises_its_equations() -> None:
    method, data = HILP(hidden=12, latent=LATENT, discount=0.9), with_skills()
    nets = networks(method)
    columns = {"expectile": EXPECTILES, "skill_expectile": SKILL_EXPECTILES, "temperature": TEMPERATURES}
    knobs = {name: torch.tensor(column, dtype=torch.float64)[:, None] for name, column in columns.items()}
    got, _ = method.losses(nets, data, knobs)
    net = Reference(nets)
    s, s2, a, r, z = data.observations, data.next_observations, data.actions, data.rewards, data.noise
    assert z is not None
    assert SIZES.goal != SIZES.observation  # a goal stands beside a state of zeros
    here = torch.cat([s, torch.zeros(*s.shape[:2], SIZES.goal)], -1)
    there = torch.cat([s2, torch.zeros(*s.shape[:2], SIZES.goal)], -1)
    goal = torch.cat([torch.zeros_like(s), data.goals], -1)
    z = z / torch.linalg.vector_norm(z, dim=-1, keepdim=True)

    def apart(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return -(x - y).square().sum(-1).sqrt()

    slow, slow_next = (apart(net.target("phi", x), net.target("phi", goal)) for x in (here, there))
    going_on = (r != 0).double()
    advantage = r + 0.9 * going_on * slow_next.min(0).values - slow.mean(0)
    errors = r + 0.9 * going_on * slow_next - apart(net("phi", here), net("phi", goal))
    tau, skill_tau = knobs["expectile"], knobs["skill_expectile"]
    rho = ((net.constant("phi", there) - net.constant("phi", here)).detach()[0] * z).sum(-1)
    y = rho + 0.9 * net.constant("U", s2, z)[..., 0].detach()
    u = net.target("Q", s, z, a)[..., 0].min(0).values - net("U", s, z)[..., 0]
    weights = torch.exp(knobs["temperature"] * u.detach()).clamp(max=100.0)
    log_std = net.log_std("pi").clamp(-5.0, 2.0)
    scaled = (a - net("pi", s, z)) * torch.exp(-log_std)
    log_prob = -0.5 * scaled.square().sum(-1) - log_std.sum(-1) - 0.5 * math.log(2 * math.pi) * SIZES.action
    expected = {
        "distance": ((tau - (advantage < 0).double()).abs() * errors.square()).mean(-1).sum(0),
        "value": ((skill_tau - (u < 0).double()).abs() * u.square()).mean(-1),
        "critic": (y - net("Q", s, z, a)[..., 0]).square().mean(-1).sum(0),
        "policy": -(weights * log_prob).mean(-1),
    }
    net.assert_minimised(got, expected, idle=["phi.shift2", "phi.b3"])  # distances do not see where the origin is


def test_rewards_of_skills_telescope() -> None:
    """Over an episode they add up to how far it leads in the skill's direction."""
    path = torch.randn(1, 9, LATENT, generator=torch.Generator().manual_seed(0))
    skill = direction(torch.ones(1, 1, LATENT))
    rewards = ((path[:, 1:] - path[:, :-1]) * skill).sum(-1)
    assert rewards.sum().item() == pytest.approx(((path[0, -1] - path[0, 0]) * skill[0, 0]).sum().item(), rel=1e-5)


# A line

STATES, STEPS, DISCOUNT = 6, 12, 0.95


def line(episodes: int, seed: int) -> Episodes:
    """Steps to the left and right, by the action's sign; the ends are walls. Observations are one-hot."""
    random = np.random.default_rng(seed)
    steps = random.choice([-1, 1], (episodes, STEPS))
    places_ = np.zeros((episodes, STEPS + 1), int)
    places_[:, 0] = random.integers(0, STATES, episodes)
    for t in range(STEPS):
        places_[:, t + 1] = (places_[:, t] + steps[:, t]).clip(0, STATES - 1)
    observations = np.eye(STATES, dtype=np.float32)[places_]
    return Episodes(observations, steps[..., None].astype(np.float32), observations, observations[:, -1])


@pytest.fixture(scope="module")
def trained() -> Learner:
    store = EpisodeStore.build(line(60, 0), line(1, 1), 0.1)
    replay = Replay(
        store, expert_episodes=[60], episodes=60, threshold=0.1, normalize=False, device=torch.device("cpu")
    )
    method = HILP(hidden=32, hidden_layers=2, latent=8, discount=DISCOUNT, learning_rate=2e-3, target_rate=0.05)
    sizes = Sizes(observation=STATES, goal=STATES, action=1)
    learner = Learner([method], [0], sizes, replay, batch_size=256, updates=10_000, device=torch.device("cpu"))
    for _ in range(1200):
        learner.update()
    return learner


def test_the_representation_of_a_line_has_its_distances(trained: Learner) -> None:
    """V is the discounted number of steps, ``-(1 - discount^d) / (1 - discount)``."""
    eye = torch.eye(STATES)[None]
    with torch.no_grad():
        points = trained.nets["phi"].target(eye)[:, 0]
        got = value(points[:, :, None], points[:, None]).mean(0).numpy()
    steps = np.abs(np.arange(STATES)[:, None] - np.arange(STATES))
    expected = -(1 - DISCOUNT**steps) / (1 - DISCOUNT)
    assert np.abs(got - expected).max() < 0.15 * np.ptp(expected), np.round(np.stack([got, expected]), 2)


@pytest.mark.parametrize("waypoints", [0, 1])
def test_the_policy_goes_where_the_goal_is(waypoints: int, trained: Learner) -> None:
    method, eye = dataclasses.replace(trained.method, waypoints=waypoints), torch.eye(STATES)  # type: ignore[type-var]
    draws = Draws("line", range(STATES**2), 0, method.recall(trained.nets, *trained.remembered()))
    states, goals = eye.repeat_interleave(STATES, 0)[None], eye.repeat(STATES, 1)[None]
    with torch.no_grad():
        actions = method.sample_actions(trained.nets, states, goals, draws)[0, :, 0].view(STATES, STATES).numpy()
    way = np.sign(np.arange(STATES) - np.arange(STATES)[:, None])
    right = (np.sign(actions) == way)[way != 0]
    assert right.mean() > 0.9, np.round(actions, 1)


def test_a_waypoint_lies_half_way() -> None:
    """Of points on a horseshoe the best is at its bend, not on the straight line, where there are none."""
    angles = np.linspace(0, np.pi, 3001)
    points = np.stack([np.cos(angles), np.sin(angles)], -1)[None]
    start, end = points[:, [0, 1000, 0]], points[:, [3000, 2000, 0]]
    got = waypoint(*(torch.from_numpy(array) for array in (start, end, points)))
    for row in range(3):
        larger = np.maximum(*(np.linalg.norm(points[0] - each[0, row], axis=-1) for each in (start, end)))
        expected = points[0][np.argsort(larger, kind="stable")[: hilp.NEAREST]].mean(0)
        np.testing.assert_allclose(got[0, row], expected, rtol=1e-12)
    np.testing.assert_allclose(got[0, :2], [[0, 1], [0, 1]], atol=0.01)


def test_waypoints_lead_on_beside_walls_and_goals() -> None:
    """Twelve walks across an open box of 20 x 20. With 50 nearest of 2,000 points half of them get stuck."""
    random = torch.Generator().manual_seed(0)
    points, place, goal = (20 * torch.rand(1, n, 2, generator=random) for n in (hilp.REMEMBERED, 12, 12))
    for _ in range(60):
        end = goal
        for _ in range(3):
            end = waypoint(place, end, points)
        place = (place + 0.5 * direction(end - place)).clamp(0, 20)
    apart = torch.linalg.vector_norm(place - goal, dim=-1)
    assert apart.max() < 1.0, apart


def test_constants_by_task() -> None:
    for kind in (HILP, U2O):
        assert kind().by_task("pointmaze-medium-navigate") == {}
        assert kind().by_task("FetchPush") == {"discount": 0.98, "normalize_inputs": True}


def test_planning_refines_the_goal_so_many_times(trained: Learner) -> None:
    states, goals = torch.eye(STATES)[None, :1], torch.eye(STATES)[None, -1:]
    planner = dataclasses.replace(trained.method, waypoints=3)  # type: ignore[type-var]
    points = planner.recall(trained.nets, *trained.remembered())
    assert points.shape == (1, hilp.REMEMBERED, 8)
    with torch.no_grad():
        start, end = (trained.nets["phi"].frozen(each)[0] for each in (states, goals))
        for _ in range(3):
            end = waypoint(start, end, points)
        expected = trained.nets["pi"].frozen(states, direction(end - start)).clamp(-1, 1)
        got = planner.sample_actions(trained.nets, states, goals, Draws("line", [0], 0, points))
    assert torch.equal(got, expected)
    assert trained.method.recall(trained.nets, *trained.remembered()).shape[1] == 0


def test_goals_of_the_states_size_are_states() -> None:
    states, goals = torch.ones(1, 2, 3), torch.zeros(1, 2, 3)
    assert [len(inputs) for inputs in places(states, states, goals)] == [1, 1, 1]
    here, _, wanted = places(states, states, goals[..., :2])
    assert [tensor.shape[-1] for tensor in (*here, *wanted)] == [3, 2, 3, 2]
    assert here[1].abs().sum() == wanted[0].abs().sum() == 0
