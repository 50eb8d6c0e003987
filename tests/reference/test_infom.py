"""InFOM against its equations in float64, and on a line whose occupancies are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from baselines.infom import InFOM, TwoStepBatch, follow
from smore_sweep.episodes import Episodes
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.replay import Replay
from smore_sweep.task import Sizes
from smore_sweep.training.learner import Learner
from tests.reference.wiring import MEMBERS, SIZES, Reference, batch, networks

LATENT, SAMPLES, ROWS = 3, 2, 11
EXPECTILES, ALPHAS = (0.9, 0.6), (0.3, 2.0)
"""Of two members."""


def two_steps() -> TwoStepBatch:
    generator = torch.Generator().manual_seed(5)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(MEMBERS, *shape, generator=generator)

    time = torch.rand(MEMBERS, ROWS, 1, generator=generator)
    noise = torch.cat([normal(ROWS, SIZES.goal), time, normal(ROWS, LATENT)], -1)
    fields = vars(batch(ROWS)) | {"rewards": (normal(ROWS) > 0).double(), "policy_goals": normal(ROWS, SIZES.goal)}
    return TwoStepBatch(
        **fields | {"noise": noise},
        next_actions=torch.tanh(normal(ROWS, SIZES.action)),
        sample_noise=normal(ROWS * SAMPLES, SIZES.goal + LATENT),
    )


@pytest.mark.usefixtures("double")
def test_infom_minimises_its_equations() -> None:
    method = InFOM(hidden=12, hidden_layers=2, latent=LATENT, futures=SAMPLES, discount=0.9)
    nets, data = networks(method), two_steps()
    columns = {"expectile": EXPECTILES, "alpha": ALPHAS}
    knobs = {name: torch.tensor(column, dtype=torch.float64)[:, None] for name, column in columns.items()}
    got, _ = method.losses(nets, data, knobs)
    net = Reference(nets)
    s, a, s2, x, g, w = (
        data.observations, data.actions, data.next_observations, data.achieved_goals, data.goals, data.policy_goals,
    )  # fmt: skip
    a2, noise, more = data.next_actions, data.noise, data.sample_noise
    assert a2 is not None
    assert noise is not None
    assert more is not None
    assert w is not None
    size = SIZES.goal
    start, tau, epsilon = noise[..., :size], noise[..., size : size + 1], noise[..., size + 1 :]
    code = net("intention", s2, a2)
    mean, deviation = code[..., :LATENT], torch.exp(code[..., LATENT:])
    z = mean + deviation * epsilon
    here = net("flow", s, a, z, (1 - tau) * start + tau * x, tau) - (x - start)
    constant, f = z.detach(), start
    for step in range(10):
        f = f + 0.1 * net.target("flow", s2, a2, constant, f, torch.full_like(tau, step / 10))
    between = (1 - tau) * start + tau * f
    later = net("flow", s, a, constant, between, tau) - net.target("flow", s2, a2, constant, between, tau)
    squares = (0.1 * here.square() + 0.9 * later.square()).mean((1, 2))
    divergence = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, deviation), torch.distributions.Normal(0.0, 1.0)
    )

    total = torch.zeros(MEMBERS, ROWS)
    for j in range(SAMPLES):
        made, prior = more[:, j::SAMPLES, :size], more[:, j::SAMPLES, size:]
        for step in range(10):
            made = made + 0.1 * net.constant("flow", s, a, prior, made, torch.full_like(tau, step / 10)).detach()
        total = total + net.constant("reward", made, g)[..., 0].detach()
    u = total / SAMPLES / 0.1 - net("Q", s, a, g)[..., 0]
    tau_q = knobs["expectile"]

    mu = net("pi", s, w)
    q = net.constant("Q", s, mu.clamp(-1, 1), w)[..., 0].min(0).values
    density = -0.5 * (a - mu).square().sum(-1) - 0.5 * math.log(2 * math.pi) * SIZES.action
    normaliser = q.detach().abs().mean(-1) + 1e-6
    expected = {
        "flow": squares + 0.01 * divergence.mean((1, 2)),
        "reward": (net("reward", x, g)[..., 0] - data.rewards).square().mean(-1),
        "critic": ((tau_q - (u < 0).double()).abs() * u.square()).mean((0, 2)),
        "policy": -q.mean(-1) / normaliser - knobs["alpha"][:, 0] * density.mean(-1),
    }
    net.assert_minimised(got, expected)


# A line

STATES, STEPS, DISCOUNT, UPDATES = 4, 12, 0.8, 800


def line(episodes: int, seed: int) -> Episodes:
    """Steps to the left and right, by the action's sign; the ends are walls. Observations are one-hot."""
    random = np.random.default_rng(seed)
    sizes = random.uniform(0.1, 1.0, (episodes, STEPS))
    steps = random.choice([-1, 1], (episodes, STEPS))
    places = np.zeros((episodes, STEPS + 1), int)
    places[:, 0] = random.integers(0, STATES, episodes)
    for t in range(STEPS):
        places[:, t + 1] = (places[:, t] + steps[:, t]).clip(0, STATES - 1)
    observations = np.eye(STATES, dtype=np.float32)[places]
    return Episodes(observations, (sizes * steps)[..., None].astype(np.float32), observations, observations[:, -1])


def learner() -> Learner:
    store = EpisodeStore.build(line(80, 0), line(1, 1), 0.1)
    replay = Replay(
        store, expert_episodes=[80], episodes=80, threshold=0.1, normalize=False, device=torch.device("cpu")
    )
    method = InFOM(
        hidden=64, hidden_layers=2, latent=2, futures=4, kl_weight=1.0, discount=DISCOUNT, learning_rate=1e-3,
        target_rate=0.05, alpha=0.1,
    )  # fmt: skip
    sizes = Sizes(observation=STATES, goal=STATES, action=1)
    return Learner([method], [0], sizes, replay, batch_size=128, updates=UPDATES, device=torch.device("cpu"))


def test_a_batch_is_of_two_steps() -> None:
    which, table = learner(), line(80, 0)
    for _ in range(3):
        which.step += 1
        data = which.sample()
        assert isinstance(data, TwoStepBatch)
        assert data.next_actions is not None
        here = torch.cat([data.observations, data.actions, data.next_observations, data.next_actions], -1)[0].numpy()
        seen = np.concatenate(
            [table.observations[:, :-2], table.actions[:, :-1], table.observations[:, 1:-1], table.actions[:, 1:]], -1
        ).reshape(-1, here.shape[-1])
        assert (here[:, None] == seen).all(-1).any(-1).all()
        assert torch.equal(data.achieved_goals, data.observations)
        assert torch.all(data.goals[data.rewards == 1] == data.observations[data.rewards == 1])
        assert 0.1 < data.rewards.mean() < 0.5


@pytest.fixture(scope="module")
def trained() -> Learner:
    learning = learner()
    for _ in range(UPDATES):
        learning.update()
    return learning


def occupancies() -> NDArray[np.float64]:
    """``p(x|s, a)`` ``[s, a, x]`` where both ways are equally likely."""
    transition = np.zeros((STATES, 2, STATES))
    for s in range(STATES):
        for index, step in enumerate((-1, 1)):
            transition[s, index, np.clip(s + step, 0, STATES - 1)] = 1
    blind = transition.mean(1)
    visits = (1 - DISCOUNT) * np.linalg.inv(np.eye(STATES) - DISCOUNT * blind)
    return (1 - DISCOUNT) * np.eye(STATES)[:, None] + DISCOUNT * transition @ visits


def test_the_flow_makes_states_as_often_as_they_are_visited(trained: Learner) -> None:
    """The mean of one-hot states is how often each is made. All episodes are of one intention here."""
    count = 400
    generator = torch.Generator().manual_seed(0)
    states = torch.eye(STATES).repeat_interleave(2 * count, 0)[None]
    actions = torch.tensor([-0.6, 0.6]).repeat_interleave(count).repeat(STATES)[None, :, None]
    start, intentions = (torch.randn(1, len(states[0]), size, generator=generator) for size in (STATES, 2))
    with torch.no_grad():
        made = follow(trained.nets, states, actions, intentions, start)[0].view(STATES, 2, count, STATES)
    got, expected = made.mean(2).numpy(), occupancies()
    assert np.ptp(expected) > 0.5
    assert np.abs(got - expected).mean() < 0.05, np.round(np.stack([got, expected]), 2)
    assert np.abs(got - expected).max() < 0.15, np.round(np.stack([got, expected]), 2)
    spread = made.std(2).numpy().mean() / np.sqrt(expected * (1 - expected)).mean()
    assert 0.75 < spread < 1.25, spread  # it does not make the mean


def test_the_policy_goes_where_the_goal_is(trained: Learner) -> None:
    eye = torch.eye(STATES)
    states, goals = eye.repeat_interleave(STATES, 0)[None], eye.repeat(STATES, 1)[None]
    with torch.no_grad():
        actions = trained.method.act(trained.nets, states, goals)[0, :, 0].view(STATES, STATES).numpy()
    way = np.sign(np.arange(STATES) - np.arange(STATES)[:, None])
    assert np.all(np.sign(actions) == way, where=way != 0), np.round(actions, 1)
