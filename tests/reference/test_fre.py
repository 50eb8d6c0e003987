"""FRE against its equations in float64, its reward functions, and a line on which it learns to go to goals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from baselines.fre import (
    DECODED,
    FRE,
    OWN,
    PAIRS,
    LabelledBatch,
    encode,
    goal_codes,
    goal_rewards,
    linear_rewards,
    network_rewards,
)  # fmt: skip
from smore_sweep.episodes import Episodes
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.replay import Replay
from smore_sweep.stacked.rng import Draws, Streams
from smore_sweep.task import Sizes
from smore_sweep.training.learner import Learner
from tests.reference.wiring import MEMBERS, SIZES, Reference, batch, networks

LATENT, ROWS = 6, 7
EXPECTILES, TEMPERATURES = (0.9, 0.6), (2.0, 0.5)
"""Of two members."""


def labelled() -> LabelledBatch:
    """A third each of the functions; those of goals, here 3, are -1 or 0."""
    generator = torch.Generator().manual_seed(5)
    states = torch.randn(MEMBERS, ROWS, PAIRS + DECODED, SIZES.goal, generator=generator)
    labels = 2 * torch.rand(MEMBERS, ROWS, PAIRS + DECODED, generator=generator) - 1
    labels[:, :3] = labels[:, :3].round().clamp(max=0.0)
    noise = torch.randn(MEMBERS, ROWS, LATENT, generator=generator)
    fields = vars(batch(ROWS).with_noise(noise)) | {"rewards": labels[:, :, 0]}
    return LabelledBatch(**fields, states=states, labels=labels)


def normalised(x: torch.Tensor) -> torch.Tensor:
    x = x - x.mean(-1, keepdim=True)
    return x / torch.sqrt(x.square().mean(-1, keepdim=True) + 1e-6)


def encoded(net: Reference, states: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Set by set, head by head."""
    where = [min(math.floor((label + 1) / 2 * 32), 31) for label in labels.flatten().tolist()]
    one_hot = torch.eye(32)[torch.tensor(where)].view(*labels.shape, 32)
    x = net("pairs", torch.cat([states, one_hot], -1).flatten(1, 2))
    for layer in range(2):
        mixed = net(f"heads{layer}", normalised(x)).view(MEMBERS, ROWS, PAIRS, 3 * LATENT)
        sets = []
        for m in range(MEMBERS):
            for b in range(ROWS):
                q, k, v = torch.split(mixed[m, b], LATENT, -1)
                heads = []
                for half in (slice(0, LATENT // 2), slice(LATENT // 2, LATENT)):
                    weights = torch.exp(q[:, half] @ k[:, half].T / math.sqrt(LATENT // 2))
                    heads.append(weights / weights.sum(-1, keepdim=True) @ v[:, half])
                sets.append(torch.cat(heads, -1))
        x = x + net(f"merge{layer}", torch.stack(sets).view(MEMBERS, ROWS * PAIRS, LATENT))
        x = x + net(f"mlp{layer}", normalised(x))
    out = net("code", normalised(x).view(MEMBERS, ROWS, PAIRS, LATENT).mean(2))
    return out[..., :LATENT], out[..., LATENT:]


@pytest.mark.usefixtures("double")
def test_fre_minimises_its_equations() -> None:
    method, data = FRE(hidden=12, latent=LATENT, discount=0.9), labelled()
    nets = networks(method)
    columns = {"expectile": EXPECTILES, "temperature": TEMPERATURES}
    knobs = {name: torch.tensor(column, dtype=torch.float64)[:, None] for name, column in columns.items()}
    got, info = method.losses(nets, data, knobs)
    net = Reference(nets)
    assert data.states is not None
    assert data.labels is not None
    assert data.noise is not None
    means, log_stds = encoded(net, data.states[:, :, :PAIRS], data.labels[:, :, :PAIRS])
    z = means + torch.exp(log_stds) * data.noise
    error = torch.zeros(MEMBERS)
    for j in range(PAIRS, PAIRS + DECODED):
        told = net("decoder", z, data.states[:, :, j])[..., 0]
        error = error + (told - data.labels[:, :, j]).square().mean(-1) / DECODED
    divergence = torch.distributions.kl_divergence(
        torch.distributions.Normal(means, torch.exp(log_stds)), torch.distributions.Normal(0.0, 1.0)
    )
    s, s2, a, r, m = data.observations, data.next_observations, data.actions, data.rewards, means.detach()
    mask = torch.ones_like(r)
    mask[:, :3] = (r[:, :3] != 0).double()
    assert 0 < mask.mean() < 1
    y = r + 0.9 * mask * net.constant("U", s2, m)[..., 0].detach()
    q, u = net("Q", s, m, a)[..., 0], net("U", s, m)[..., 0]
    residual = net.target("Q", s, m, a)[..., 0].min(0).values - u
    weights = torch.exp(knobs["temperature"] * (q.min(0).values - u).detach()).clamp(max=100.0)
    log_std = net.log_std("pi").clamp(-5.0, 2.0)
    scaled = (a - net("pi", s, m)) * torch.exp(-log_std)
    density = -0.5 * scaled.square().sum(-1) - log_std.sum(-1) - 0.5 * math.log(2 * math.pi) * SIZES.action
    expected = {
        "encoder": error + 0.01 * divergence.mean((1, 2)),
        "value": ((knobs["expectile"] - (residual < 0).double()).abs() * residual.square()).mean(-1),
        "critic": (y - q).square().mean(-1).sum(0),
        "policy": -(weights * density).mean(-1),
    }
    torch.testing.assert_close(info["decoding_error"], error.detach())
    net.assert_minimised(got, expected)


@pytest.mark.usefixtures("double")
def test_a_code_does_not_depend_on_the_order_of_the_pairs() -> None:
    nets, data = networks(FRE(hidden=12, latent=LATENT)), labelled()
    assert data.states is not None
    assert data.labels is not None
    order = torch.randperm(PAIRS, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        straight = encode(nets, data.states[:, :, :PAIRS], data.labels[:, :, :PAIRS])
        mixed = encode(nets, data.states[:, :, order], data.labels[:, :, order])
    torch.testing.assert_close(straight, mixed)
    assert not torch.allclose(straight[0][:, :1], straight[0][:, 1:])


# Reward functions

SAMPLES = 400


def streams() -> Streams:
    return Streams([3, 8], torch.ones((), dtype=torch.int64))


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_goals_are_among_the_states_that_a_function_is_read_off() -> None:
    states = numbers(MEMBERS, SAMPLES, PAIRS + DECODED, 2)
    changed, labels = goal_rewards(streams(), states)
    assert set(labels.flatten().tolist()) == {-1.0, 0.0}
    assert torch.equal((labels == 0).sum(-1), torch.full((MEMBERS, SAMPLES), 2))  # one to read, one to tell
    assert torch.all(labels[:, :, PAIRS] == 0)
    which = labels[:, :, :PAIRS].argmax(-1)
    assert torch.equal(changed[:, :, PAIRS], states.gather(2, which[..., None, None].expand(-1, -1, 1, 2))[:, :, 0])
    rest = torch.arange(PAIRS + DECODED) != PAIRS
    assert torch.equal(changed[:, :, rest], states[:, :, rest])
    counts = np.bincount(which[0], minlength=PAIRS) / SAMPLES
    shares = [0.2] + [0.5 / (OWN - 1)] * (OWN - 1) + [0.3 / (PAIRS - OWN)] * (PAIRS - OWN)
    assert np.abs(counts - shares).max() < 0.06
    assert counts[[1, OWN - 1, OWN, PAIRS - 1]].min() > 0
    assert not torch.equal(which[0], which[1])


def test_linear_functions() -> None:
    """Their weights are read off unit vectors."""
    size = 12
    units, others = torch.eye(size), numbers(5, size)
    states = torch.cat([units, -units, others]).expand(MEMBERS, SAMPLES, -1, -1)
    labels = linear_rewards(streams(), states)
    ahead, back, rest = labels[0, :, :size], labels[0, :, size : 2 * size], labels[0, :, 2 * size :]
    signed = (labels[0] < 0).any(-1)
    assert 0.4 < signed.float().mean() < 0.6
    weights = torch.where(signed[:, None], ahead, ahead - back)
    lowest = torch.where(signed, -1.0, 0.0)[:, None]
    expected = torch.maximum((weights @ others.T).clamp(max=1.0), lowest)
    torch.testing.assert_close(rest, expected)
    used = (weights != 0).sum(-1)
    assert used.min() == 1
    assert used.float().mean().item() == pytest.approx(1 + 0.1 * (size - 1), rel=0.15)
    assert weights.abs().max() > 0.9


def test_random_networks() -> None:
    states = numbers(MEMBERS, SAMPLES, PAIRS + DECODED, 3)
    got = network_rewards(streams(), states)[0].numpy()
    drawn = streams().normal("network", SAMPLES, 5, 32)[0].numpy()
    first, bias, last = drawn[:, :3] / math.sqrt(32), 4 * drawn[:, 3], drawn[:, 4] / 4
    hidden = np.tanh(np.einsum("bng,bgh->bnh", states[0].numpy(), first) + bias[:, None])
    np.testing.assert_allclose(got, np.einsum("bnh,bh->bn", hidden, last).clip(-1, 1), atol=2e-5)
    assert 0.1 < (np.abs(got) == 1).mean() < 0.7


# A line

STATES, STEPS, DISCOUNT = 4, 10, 0.9
UPDATES, TURN, BATCH = 850, 450, 48


def line(episodes: int, seed: int) -> Episodes:
    """Steps to the left and right, by the action's sign; the ends are walls. Observations are one-hot."""
    random = np.random.default_rng(seed)
    steps = random.choice([-1, 1], (episodes, STEPS))
    places = np.zeros((episodes, STEPS + 1), int)
    places[:, 0] = random.integers(0, STATES, episodes)
    for t in range(STEPS):
        places[:, t + 1] = (places[:, t] + steps[:, t]).clip(0, STATES - 1)
    observations = np.eye(STATES, dtype=np.float32)[places]
    return Episodes(observations, steps[..., None].astype(np.float32), observations, observations[:, -1])


def learner() -> Learner:
    store = EpisodeStore.build(line(60, 0), line(1, 1), 0.1)
    replay = Replay(
        store, expert_episodes=[60], episodes=60, threshold=0.1, normalize=False, device=torch.device("cpu")
    )
    method = FRE(
        hidden=64, hidden_layers=2, latent=16, encoder_share=TURN / UPDATES, discount=DISCOUNT, learning_rate=4e-3,
        target_rate=0.05,
    )  # fmt: skip
    sizes = Sizes(observation=STATES, goal=STATES, action=1)
    return Learner([method], [0], sizes, replay, batch_size=BATCH, updates=UPDATES, device=torch.device("cpu"))


def test_a_batch_has_its_functions() -> None:
    which = learner()
    which.step += 1
    data = which.sample()
    assert isinstance(data, LabelledBatch)
    assert data.states is not None
    assert data.labels is not None
    assert torch.equal(data.states[:, :, 0], data.observations)
    assert torch.equal(data.rewards, data.labels[:, :, 0])
    here, later = (data.states[0, :, slice_].argmax(-1) for slice_ in (slice(0, 1), slice(1, OWN)))
    anywhere = data.states[0, :, OWN:PAIRS].argmax(-1)
    near = ((later - here).abs() <= 1).float().mean(), ((anywhere - here).abs() <= 1).float().mean()
    assert near[0] > near[1] + 0.1  # walks stay near
    of_goals = slice(0, BATCH // 3)
    there = data.states[:, of_goals].argmax(-1) == data.states[:, of_goals, PAIRS].argmax(-1)[..., None]
    assert torch.equal(data.labels[:, of_goals], there.float() - 1)


@pytest.fixture(scope="module")
def trained() -> tuple[Learner, list[float]]:
    """The learner after all updates, and the decoding errors while the encoder was trained."""
    learning, errors = learner(), []
    for _ in range(TURN):
        learning.update()
        errors.append(float(learning.metrics()["decoding_error"][0]))
    told = learning.nets["code"].flat.detach().clone()
    for _ in range(UPDATES - TURN):
        learning.update()
    assert torch.equal(learning.nets["code"].flat.detach(), told)
    return learning, errors


def remembered(which: Learner) -> torch.Tensor:
    return which.method.recall(which.nets, *which.remembered())


def test_it_learns_to_tell_rewards(trained: tuple[Learner, list[float]]) -> None:
    learning, errors = trained
    assert np.mean(errors[-30:]) < 0.2 * np.mean(errors[5:15]), errors[::20]
    goals = torch.eye(STATES)[None]
    with torch.no_grad():
        codes = goal_codes(learning.nets, goals, remembered(learning))
        told = learning.nets["decoder"].frozen(
            codes.repeat_interleave(STATES, 1), torch.eye(STATES).repeat(STATES, 1)[None]
        )
    assert np.abs(told.view(STATES, STATES).numpy() - (np.eye(STATES) - 1)).max() < 0.4, told


def test_then_it_learns_to_go_where_the_goal_is(trained: tuple[Learner, list[float]]) -> None:
    """The value is about the discounted number of steps, ``-(1 - discount^d) / (1 - discount)``."""
    learning, _ = trained
    eye = torch.eye(STATES)
    states, goals = eye.repeat_interleave(STATES, 0)[None], eye.repeat(STATES, 1)[None]
    draws = Draws("line", range(STATES**2), 0, remembered(learning))
    with torch.no_grad():
        actions = learning.method.sample_actions(learning.nets, states, goals, draws).view(STATES, STATES).numpy()
        codes = goal_codes(learning.nets, goals, remembered(learning))
        values = learning.nets["U"].frozen(states, codes).view(STATES, STATES).numpy()
    way = np.arange(STATES) - np.arange(STATES)[:, None]
    assert np.all(np.sign(actions) == np.sign(way), where=way != 0), np.round(actions, 1)
    expected = -(1 - DISCOUNT ** np.abs(way)) / (1 - DISCOUNT)
    assert np.abs(values - expected).mean() < 0.2 * np.ptp(expected), np.round(values, 1)


def test_the_policy_acts_by_the_goal_and_the_remembered_states() -> None:
    which = learner()
    states, goals = torch.eye(STATES)[None], torch.eye(STATES).roll(1, 0)[None]
    points = remembered(which)
    assert points.shape == (1, PAIRS - 1, STATES)
    with torch.no_grad():
        got = which.method.sample_actions(which.nets, states, goals, Draws("line", range(STATES), 0, points))
        for row in range(STATES):
            seen = torch.cat([goals[:, row : row + 1], points], 1)[:, None]
            labels = (seen.argmax(-1) == goals[0, row].argmax()).float() - 1
            code, _ = encode(which.nets, seen, labels)
            expected = which.nets["pi"].frozen(states[:, row : row + 1], code).clamp(-1, 1)
            torch.testing.assert_close(got[:, row : row + 1], expected)


def test_constants_by_task() -> None:
    assert FRE().by_task("pointmaze-medium-navigate") == {}
    assert FRE().by_task("FetchPush") == {"discount": 0.98}
