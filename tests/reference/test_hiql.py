"""HIQL against NumPy and textbook operations in float64, its samples, and what it learns on a line of states."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch

from baselines import _ogbench
from baselines.hiql import HIQL, SUBGOAL_STEPS, scaled
from smore_sweep.episodes import Episodes
from smore_sweep.ogbench_tasks import ogbench_tasks
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.networks import Network, Networks
from smore_sweep.stacked.replay import Batch, Replay
from smore_sweep.stacked.rng import Streams
from smore_sweep.task import Sizes
from smore_sweep.training.learner import Learner
from tests.conftest import Array
from tests.reference.gradients import CLOSE
from tests.reference.wiring import CPU, MEMBERS, SIZES, Reference, batch, networks
from tests.unit.stacked.world import MEMBERS as WORLD_MEMBERS
from tests.unit.stacked.world import N, T, replay

EXPECTILES, LOW, HIGH = (0.9, 0.6), (3.0, 1.0), (0.5, 10.0)
"""Of two members."""
ROWS = 30


def hierarchical(rows: int) -> Batch:
    generator = torch.Generator().manual_seed(2)
    far, near, way = (torch.randn(MEMBERS, rows, SIZES.goal, generator=generator) for _ in range(3))
    there = torch.randn(MEMBERS, rows, SIZES.observation, generator=generator)
    extra: dict[str, Any] = {"policy_goals": far, "subgoals": near, "waypoints": way, "waypoint_observations": there}
    return dataclasses.replace(batch(rows), **extra)


def unit(vectors: torch.Tensor) -> torch.Tensor:
    """Scaled to length sqrt(r): a mean square of 1."""
    return vectors / vectors.square().mean(-1, keepdim=True).sqrt()


def weights(rises: Array, temperature: float) -> Array:
    return np.minimum(np.exp(temperature * rises), 100.0)


@pytest.mark.usefixtures("double")
def test_hiql_minimises_its_equations() -> None:
    method, data = HIQL(hidden=12, discount=0.9, repr_dim=5), hierarchical(ROWS)
    nets = networks(method)
    stackable = {"expectile": EXPECTILES, "low_temperature": LOW, "high_temperature": HIGH}
    got, _ = method.losses(nets, data, {name: torch.tensor(values)[:, None] for name, values in stackable.items()})
    net = Reference(nets)
    s, s2, g, r, a = data.observations, data.next_observations, data.goals, data.rewards, data.actions
    far, near, way, there = data.policy_goals, data.subgoals, data.waypoints, data.waypoint_observations
    assert far is not None
    assert near is not None
    assert way is not None
    assert there is not None

    def constant(state: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
        return unit(net.constant("phi", state, goal)).detach()

    def value(state: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
        return net.constant("V", state, constant(state, goal))[..., 0].detach().mean(0)

    values = net("V", s, unit(net("phi", s, g)))[..., 0]
    slow = net.target("V", s, constant(s, g))[..., 0]
    slow_next = net.target("V", s2, constant(s2, g))[..., 0]
    low_rise, high_rise = (value(s2, near) - value(s, near)).numpy(), (value(there, far) - value(s, far)).numpy()
    share, low, high = (torch.zeros(MEMBERS, ROWS) for _ in range(3))
    for member in range(MEMBERS):
        going_on = (r[member].numpy() != 0).astype(float)
        advantage = r[member].numpy() + 0.9 * going_on * slow_next[:, member].numpy().min(0)
        advantage -= slow[:, member].numpy().mean(0)
        assert (advantage > 0).any()
        assert (advantage < 0).any()
        share[member] = torch.tensor(np.where(advantage >= 0, EXPECTILES[member], 1 - EXPECTILES[member]))
        low[member] = torch.tensor(weights(low_rise[member], LOW[member]))
        high[member] = torch.tensor(weights(high_rise[member], HIGH[member]))
    y = torch.where(r == 0, 0.0, 0.9 * slow_next) + r
    log_low = -0.5 * (a - net("pi", s, constant(s, near))).square().sum(-1) - 0.5 * math.log(2 * math.pi) * SIZES.action
    log_high = -0.5 * (constant(s, way) - net("high", s, far)).square().sum(-1) - 0.5 * math.log(2 * math.pi) * 5
    expected = {
        "value": (share * (y - values) ** 2).mean(-1).sum(0),
        "low": -(low * log_low).mean(-1),
        "high": -(high * log_high).mean(-1),
    }
    net.assert_minimised(got, expected)
    for member in range(MEMBERS):
        error = (y - values)[:, member].detach().numpy() ** 2
        by_hand = (share[member].numpy() * error).mean(-1).sum()
        assert got["value"][member].item() == pytest.approx(by_hand, rel=CLOSE)


def test_vectors_are_scaled_to_the_root_of_their_size() -> None:
    assert scaled(torch.tensor([3.0, 4.0, 0.0, 0.0])).tolist() == pytest.approx([1.2, 1.6, 0.0, 0.0])


def test_it_acts_by_the_subgoal_that_the_high_policy_sets() -> None:
    method = HIQL(hidden=12)
    nets: Networks = {name: Network(method.networks(SIZES)[name], name, [0], CPU) for name in method.acts_with}
    assert sorted(nets) == ["high", "pi"]
    with torch.no_grad():
        for net in nets.values():
            net.flat *= 40.0
    s, g = torch.randn(1, 30, SIZES.observation), torch.randn(1, 30, SIZES.goal)
    reference = Reference(nets)
    means = reference("pi", s, unit(reference("high", s, g))).detach()
    assert (means > 1).any()
    assert (means < -1).any()
    torch.testing.assert_close(method.act(nets, s, g), means.clamp(-1, 1), rtol=1e-4, atol=1e-4)


def test_samples_of_a_hierarchy() -> None:
    """Subgoals are one step on here; waypoints, too, but those of a goal that is nearer are the goal."""
    world, rows, members = replay(), 3000, len(WORLD_MEMBERS)
    method = HIQL(random_policy_goals=0.5, subgoal_steps=1)
    drawn = method.sample(world, Streams([5] * members, torch.tensor(1)), {}, rows)
    assert drawn.subgoals is not None
    assert drawn.waypoints is not None
    assert drawn.waypoint_observations is not None
    assert drawn.policy_goals is not None
    own = drawn.observations[..., 0]
    episode, time = own // 100, own % 100 // 10
    assert torch.equal(drawn.subgoals[..., 0] // 100, episode)
    assert torch.equal(drawn.subgoals[..., 0] % 100 // 10, (time + 1).clamp(max=T - 1))
    assert torch.equal(drawn.waypoint_observations[..., 0] // 100, episode)
    assert torch.equal(drawn.waypoint_observations[..., 0] % 100 // 10, (time + 1).clamp(max=T - 1))
    assert torch.equal(drawn.waypoints[..., 0] // 10, drawn.waypoint_observations[..., 0] // 10)
    for member in range(members):
        same = drawn.policy_goals[member, :, 0] // 100 == episode[member]
        assert float(same.float().mean()) == pytest.approx(0.5 + 0.5 / N, abs=0.03)
        hits = float((drawn.rewards[member] == 0).float().mean())
        assert hits == pytest.approx(0.2 + 0.5 / T + 0.3 / (N * T), abs=0.03)
        assert torch.equal(drawn.rewards[member] == 0, drawn.goals[member, :, 0] == drawn.achieved_goals[member, :, 0])


CONSTANTS = {
    "pointmaze-medium-navigate": (0.99, 0.0, 3.0, 25),
    "antmaze-giant-stitch": (0.995, 0.5, 3.0, 25),
    "antmaze-large-explore": (0.99, 1.0, 10.0, 25),
    "humanoidmaze-medium-stitch": (0.995, 0.5, 3.0, 100),
    "antsoccer-arena-navigate": (0.99, 0.0, 3.0, 25),
    "cube-single-play": (0.99, 0.0, 3.0, 10),
    "scene-noisy": (0.99, 0.0, 3.0, 10),
}


@pytest.mark.parametrize("task", CONSTANTS)
def test_constants_by_task(task: str) -> None:
    method = HIQL(**HIQL().by_task(task))
    discount, random_goals, temperature, steps = CONSTANTS[task]
    assert (method.discount, method.random_policy_goals, method.subgoal_steps) == (discount, random_goals, steps)
    assert method.low_temperature == method.high_temperature == temperature
    assert method.expectile == 0.7


def test_other_tasks_have_no_constants() -> None:
    assert HIQL().by_task("FetchReach") == {}
    families = {_ogbench.family(task.name) for task in ogbench_tasks()}
    assert families >= set(SUBGOAL_STEPS)


STATES, STEPS_ON = 8, 2
LINE = Sizes(observation=STATES, goal=STATES, action=1)


def line() -> Episodes:
    """One way up a line of states and one way down. Observations are one-hot."""
    places = np.stack([np.arange(STATES), np.arange(STATES)[::-1]])
    observations = np.eye(STATES, dtype=np.float32)[places]
    actions = np.broadcast_to(np.array([1.0, -1.0], np.float32)[:, None, None], (2, STATES - 1, 1))
    return Episodes(observations, np.array(actions), observations, observations[:, -1])


def test_on_a_line_subgoals_lie_on_the_way_and_actions_lead_there() -> None:
    store = EpisodeStore.build(line(), line(), 0.1)
    world = Replay(store, expert_episodes=[2], episodes=2, threshold=0.1, normalize=False, device=CPU)
    method = HIQL(hidden=32, hidden_layers=2, subgoal_steps=STEPS_ON, discount=0.9, learning_rate=3e-3)
    learner = Learner([method], [0], LINE, world, batch_size=64, updates=10_000, device=CPU)
    for _ in range(450):
        learner.update()
    # The last state of an episode is no goal, so goals upwards end at 6, and those downwards at 1.
    pairs = [(s, g) for s in range(STATES) for g in range(1, STATES - 1) if s != g]
    eye = torch.eye(STATES)
    states, goals = (eye[list(places)][None] for places in zip(*pairs, strict=True))
    with torch.no_grad():
        aims = scaled(learner.nets["high"].frozen(states, goals))[0]
        places = scaled(
            learner.nets["phi"].frozen(states.repeat_interleave(STATES, 1), eye.repeat(len(pairs), 1)[None])
        )
        actions = learner.method.act(learner.nets, states, goals)[0, :, 0]
    nearest = (places.view(len(pairs), STATES, -1) - aims[:, None]).square().sum(-1).argmin(-1)
    assert nearest.tolist() == [s + max(-STEPS_ON, min(STEPS_ON, g - s)) for s, g in pairs]
    # The low policy has seen no subgoals that are nearer than two steps.
    for (s, g), action in zip(pairs, actions.tolist(), strict=True):
        assert abs(g - s) < STEPS_ON or action * (g - s) > 0, (s, g, action)
