"""GCIVL, GCIQL and GCBC on a ring small enough to enumerate: they learn what a table of the same samples says."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from baselines.gcbc import GCBC
from baselines.gcivl import GCIVL
from baselines.ogbench_gciql import OGBenchGCIQL
from smore_sweep.episodes import Episodes
from smore_sweep.method import Method
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.replay import Batch, Replay
from smore_sweep.task import Sizes
from smore_sweep.training.learner import Learner

STATES, STEPS, DISCOUNT = 5, 8, 0.9
SIZES = Sizes(observation=STATES, goal=STATES, action=1)
Table = NDArray[np.float64]


def ring(episodes: int, seed: int, noise: float) -> Episodes:
    """Each step leads one or two states on; the action tells which, with noise. Observations are one-hot."""
    random = np.random.default_rng(seed)
    steps = random.integers(1, 3, (episodes, STEPS))
    starts = random.integers(0, STATES, (episodes, 1))
    places = (starts + np.concatenate([np.zeros((episodes, 1), int), steps.cumsum(1)], 1)) % STATES
    observations = np.eye(STATES, dtype=np.float32)[places]
    actions = ((steps - 1.5) + random.uniform(-noise, noise, steps.shape))[..., None].astype(np.float32)
    return Episodes(observations, actions, observations, observations[:, -1])


def learner(method: Method, noise: float = 0.2) -> Learner:
    store = EpisodeStore.build(ring(3, 0, noise), ring(1, 1, noise), 0.1)
    replay = Replay(store, expert_episodes=[3], episodes=3, threshold=0.1, normalize=False, device=torch.device("cpu"))
    return Learner([method], [0], SIZES, replay, batch_size=256, updates=10_000, device=torch.device("cpu"))


def sampled(which: Learner, batches: int) -> list[Batch]:
    """Batches of the method's own sampler, as many updates have them."""
    found = []
    for _ in range(batches):
        which.step += 1
        found.append(which.sample())
    which.step.zero_()
    return found


def place(vectors: torch.Tensor) -> NDArray[np.int64]:
    return np.asarray(vectors[0].argmax(-1).numpy())


def counted(batches: list[Batch]) -> dict[tuple[int, int, int, bool], int]:
    """How often each state, goal, next state and hit was sampled. A state is a hit where it is the goal's own index."""
    counts: dict[tuple[int, int, int, bool], int] = {}
    for batch in batches:
        rows = zip(
            place(batch.observations), place(batch.goals), place(batch.next_observations),
            (batch.rewards[0] == 0).tolist(), strict=True,
        )  # fmt: skip
        for s, g, after, hit in rows:
            key = int(s), int(g), int(after), hit
            counts[key] = counts.get(key, 0) + 1
    return counts


def fixed_point(batches: list[Batch], expectile: float) -> Table:
    """V by state and goal: the expectile of r + discount m V(s', g) over the samples, again and again."""
    counts, values = counted(batches), np.zeros((STATES, STATES))
    for _ in range(1000):
        above, weight = np.zeros_like(values), np.zeros_like(values)
        for (s, g, after, hit), count in counts.items():
            target = 0.0 if hit else -1.0 + DISCOUNT * values[after, g]
            share = count * (expectile if target >= values[s, g] else 1 - expectile)
            above[s, g] += share * target
            weight[s, g] += share
        values = above / weight
    return values


def fixed_points(batches: list[Batch], expectile: float) -> tuple[Table, Table, Table]:
    """V by state and goal, Q by state, goal and next state, and how often the latter was sampled: Q is the mean of
    r + discount m V(s', g), V the expectile of Q over the samples, again and again."""
    counts, values, scores = counted(batches), np.zeros((STATES, STATES)), np.zeros((STATES,) * 3)
    seen = np.zeros_like(scores)
    for (s, g, after, _), count in counts.items():
        seen[s, g, after] += count
    for _ in range(1000):
        total, above, weight = np.zeros_like(scores), np.zeros_like(values), np.zeros_like(values)
        for (s, g, after, hit), count in counts.items():
            total[s, g, after] += count * (0.0 if hit else -1.0 + DISCOUNT * values[after, g])
        scores = total / np.maximum(seen, 1)
        for s, g, after in zip(*seen.nonzero(), strict=True):
            score = scores[s, g, after]
            share = seen[s, g, after] * (expectile if score >= values[s, g] else 1 - expectile)
            above[s, g] += share * score
            weight[s, g] += share
        values = above / weight
    return values, scores, seen


def every_pair() -> tuple[torch.Tensor, torch.Tensor]:
    eye = torch.eye(STATES)
    return eye.repeat_interleave(STATES, 0)[None], eye.repeat(STATES, 1)[None]


def test_the_value_of_gcivl_is_the_fixed_point() -> None:
    method = GCIVL(hidden=32, hidden_layers=2, discount=DISCOUNT, expectile=0.8, learning_rate=3e-3, target_rate=0.05)
    trained = learner(method)
    expected = fixed_point(sampled(trained, 300), 0.8)
    assert np.ptp(expected) > 2.0
    for _ in range(800):
        trained.update()
    with torch.no_grad():
        got = trained.nets["V"].target(*every_pair())[:, 0, :, 0].mean(0).view(STATES, STATES).numpy()
    assert np.abs(got - expected).max() < 0.1 * np.ptp(expected), np.round(np.stack([got, expected]), 2)


def test_the_values_of_gciql_are_the_fixed_points() -> None:
    # Without noise on the actions, which would tell Q one transition from another that leads to the same state.
    method = OGBenchGCIQL(
        hidden=32, hidden_layers=2, discount=DISCOUNT, expectile=0.8, learning_rate=3e-3, target_rate=0.05
    )
    trained = learner(method, noise=0.0)
    values, scores, seen = fixed_points(sampled(trained, 300), 0.8)
    assert np.ptp(values) > 2.0
    for _ in range(1200):
        trained.update()
    states, goals = every_pair()
    with torch.no_grad():
        got = trained.nets["V"].frozen(states, goals)[0, :, 0].view(STATES, STATES).numpy()
    assert np.abs(got - values).max() < 0.1 * np.ptp(values), np.round(np.stack([got, values]), 2)
    for steps in (1, 2):
        action = torch.full((1, STATES**2, 1), steps - 1.5)
        with torch.no_grad():
            got = trained.nets["Q"].target(states, goals, action)[:, 0, :, 0].mean(0).view(STATES, STATES).numpy()
        after = (np.arange(STATES) + steps) % STATES
        known = seen[np.arange(STATES), :, after] > 0
        expected = scores[np.arange(STATES), :, after]
        assert known.sum() > STATES
        assert np.abs(got - expected)[known].max() < 0.1 * np.ptp(values), np.round(np.stack([got, expected]), 2)


def test_gcbc_is_least_squares() -> None:
    """The mean of the policy is the data's mean action of each state and goal."""
    trained = learner(GCBC(hidden=32, hidden_layers=2, learning_rate=1e-3))
    batches = sampled(trained, 300)
    pairs = np.concatenate([place(b.observations) * STATES + place(b.goals) for b in batches])
    actions = np.concatenate([b.actions[0, :, 0].numpy() for b in batches])
    expected, *_ = np.linalg.lstsq(np.eye(STATES**2)[pairs], actions, rcond=None)
    seen = np.bincount(pairs, minlength=STATES**2) > 0
    for _ in range(1000):
        trained.update()
    with torch.no_grad():
        got = trained.nets["pi"].frozen(*every_pair())[0, :, 0].numpy()
    assert np.ptp(expected[seen]) > 0.5
    assert np.abs(got - expected)[seen].max() < 0.1 * np.ptp(expected[seen]), np.round(
        np.stack([got, expected])[:, seen], 2
    )
