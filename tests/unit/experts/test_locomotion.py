"""Running tasks: environments equal to Gymnasium's in the form of D4RL's data, shipped policies, and their training."""

from __future__ import annotations

import copy
import hashlib
import itertools
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mujoco")
import gymnasium
import torch
from gymnasium.utils.env_checker import check_env

from smore_sweep.experts import locomotion
from smore_sweep.experts.recipes import train_locomotion
from smore_sweep.tasks import TASKS

CHEETAH, ANT = "CheetahTgtVel-m-e", "AntTgtVel-m-e"
each = pytest.mark.parametrize("name", [CHEETAH, ANT])
GYMNASIUM = {CHEETAH: ("HalfCheetah-v5", {}), ANT: ("Ant-v5", {"include_cfrc_ext_in_observation": False})}
VELOCITY = {CHEETAH: 8, ANT: 13}
TARGET = {CHEETAH: 11.0, ANT: 5.0}
EXPERT = {CHEETAH: 8.0, ANT: 3.5}  # m/s; six seeds of 200 steps have 9.2 to 10.4 and 4.5 to 5.1


def base(name: str) -> Any:
    return TASKS[name].make().unwrapped


def speed(name: str, policy: str, seed: int, steps: int = 200) -> float:
    """Return the mean forward velocity (m/s) over the last three quarters of the steps; 0 after the episode."""
    env, act = TASKS[name].make(), TASKS[name].policy(policy)
    env.action_space.seed(seed)
    observation: Any
    observation, _ = env.reset(seed=seed)
    velocities = np.zeros(steps)
    for step in range(steps):
        action = env.action_space.sample() if act is None else act(observation)
        observation, _, terminated, _, _ = env.step(action)
        if terminated:
            break
        velocities[step] = observation["achieved_goal"].item()
    env.close()
    return float(velocities[steps // 4 :].mean())


@pytest.mark.filterwarnings("ignore:.*infinity:UserWarning")  # unbounded observations are meant
@each
def test_the_api_checker_passes(name: str) -> None:
    check_env(base(name), skip_render_check=True)


@each
def test_the_body_is_gymnasiums_and_the_layout_is_d4rls(name: str) -> None:
    env, env_id, options = base(name), *GYMNASIUM[name]
    plain: Any = gymnasium.make(env_id, **options)
    observation, _ = env.reset(seed=3)
    expected, _ = plain.reset(seed=3)
    plain.action_space.seed(0)
    for _ in range(30):
        np.testing.assert_array_equal(observation["observation"][: len(expected)], expected)
        assert not observation["observation"][len(expected) :].any()
        action = plain.action_space.sample()
        observation, *_ = env.step(action)
        expected, *_ = plain.step(action)
    plain.close()


@each
def test_the_achieved_velocity_is_the_one_after_the_step(name: str) -> None:
    env = base(name)
    before, _ = env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(20):
        after, *_ = env.step(env.action_space.sample())
        velocity = env.data.qvel[0]
        assert after["achieved_goal"].tolist() == [velocity] == [after["observation"][VELOCITY[name]]]
        assert after["desired_goal"].tolist() == [TARGET[name]]
        assert before["achieved_goal"] != velocity  # an observation that was handed out does not change with the next
        before = after


@each
def test_reward_and_success_are_those_of_the_band(name: str) -> None:
    env = base(name)
    inside = []
    for speed_before in np.linspace(TARGET[name] - 2.0, TARGET[name] + 3.0, 26):
        env.reset(seed=0)
        velocities = env.data.qvel.copy()
        velocities[0] = speed_before
        env.set_state(env.data.qpos.copy(), velocities)
        observation, reward, _, truncated, info = env.step(np.zeros(env.action_space.shape, np.float32))
        distance = abs(observation["achieved_goal"].item() - TARGET[name])
        assert reward == (-1.0 if distance > 0.5 else 0.0)
        assert info["is_success"] == float(distance < 0.5)
        assert reward == env.compute_reward(observation["achieved_goal"], observation["desired_goal"], info)
        assert not truncated
        inside.append(reward == 0.0)
    assert 0 < sum(inside) < len(inside)


def test_the_ant_ends_when_its_torso_is_too_high_or_too_low_and_not_on_its_back() -> None:
    env = base(ANT)
    back = [0.0, 1.0, 0.0, 0.0]
    for height, attitude, ended in ((0.55, None, False), (0.4, back, False), (1.3, None, True)):
        env.reset(seed=0)
        _place(env, height, attitude)
        observation, _, terminated, truncated, info = env.step(np.zeros(8, np.float32))
        assert terminated is ended
        assert not truncated
        assert env.compute_terminated(observation["achieved_goal"], observation["desired_goal"], info) is ended
    for height, ended in ((0.19, True), (0.21, False), (0.99, False), (1.01, True)):
        _place(env, height)
        assert env.compute_terminated(np.zeros(1), np.zeros(1), {}) is ended


def _place(env: Any, height: float, attitude: list[float] | None = None) -> None:
    """Put the ant at rest, with its torso at this height (m) and in this attitude (quaternion)."""
    positions = env.init_qpos.copy()
    positions[2] = height
    if attitude:
        positions[3:7] = attitude
    env.set_state(positions, np.zeros_like(env.init_qvel))


def test_the_cheetah_goes_on_upside_down() -> None:
    env = base(CHEETAH)
    env.reset(seed=0)
    positions = env.data.qpos.copy()
    positions[2] = np.pi
    env.set_state(positions, env.data.qvel.copy())
    for _ in range(20):
        _, _, terminated, truncated, _ = env.step(np.ones(6, np.float32))
        assert not terminated
        assert not truncated


@each
def test_resets_vary_within_their_ranges_and_repeat(name: str) -> None:
    env = base(name)
    positions, velocities = [], []
    for seed in range(40):
        first, _ = env.reset(seed=seed)
        env.step(env.action_space.sample())
        again, _ = env.reset(seed=seed)
        for key, value in first.items():
            np.testing.assert_array_equal(value, again[key])
        positions.append(env.data.qpos - env.init_qpos)
        velocities.append(env.data.qvel.copy())
    assert 0.095 < np.abs(positions).max() <= 0.1
    assert 0.09 < np.std(velocities) < 0.11


@each
def test_environments_can_be_copied_and_pickled(name: str) -> None:
    env = base(name)
    expected, _ = env.reset(seed=5)
    for other in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        observation, _ = other.reset(seed=5)
        np.testing.assert_array_equal(observation["observation"], expected["observation"])
        assert other.observation_space == env.observation_space


@each
def test_expert_outruns_medium_outruns_random(name: str) -> None:
    expert, medium, random = (
        np.mean([speed(name, policy, seed) for seed in (0, 1, 2)]) for policy in ("expert", "medium", "random")
    )
    assert random + 2.0 < medium < expert - 0.3  # 0.0, 4.0 and 5.0 m/s for the ant, further apart for the cheetah


@each
def test_the_expert_runs(name: str) -> None:
    assert min(speed(name, "expert", seed) for seed in (1, 2)) > EXPERT[name]


def test_random_expert_and_medium_expert_share_the_expert() -> None:
    for body in ("Cheetah", "Ant"):
        medium, random = (TASKS[f"{body}TgtVel-{kind}"] for kind in ("m-e", "r-e"))
        assert medium.policy("expert") is random.policy("expert")
        assert [medium.suboptimal, random.suboptimal] == ["medium", "random"]


@pytest.mark.parametrize(
    ("policy", "size", "expected"),
    [
        (locomotion.run_cheetah, 17, "02635955a06c8e84"),
        (locomotion.jog_cheetah, 17, "f6667be9d70f60df"),
        (locomotion.gallop_ant, 27, "10d764b6a3a9000c"),
        (locomotion.trot_ant, 27, "db95c5613cbb3ee8"),
    ],
)
def test_actions_are_the_same_bits_on_every_processor(
    policy: Callable[[dict[str, Any]], Any], size: int, expected: str
) -> None:
    """The observations are exact fractions, so nothing but the policy can round."""
    observations = (np.arange(50 * size).reshape(50, size) * 37 % 101 - 50) / 16.0
    actions = np.stack([policy({"observation": observation}) for observation in observations])
    assert hashlib.sha256(actions.tobytes()).hexdigest()[:16] == expected
    assert np.abs(actions).max() <= 1.0


@each
def test_actions_are_sums_in_the_order_of_the_inputs(name: str) -> None:
    layers, _ = locomotion.load(f"{name.removesuffix('TgtVel-m-e').lower()}-expert")
    observation = np.random.default_rng(0).normal(size=len(layers[0][0]))
    x = observation.astype(np.float32)
    for weight, bias in layers:
        total = x[0] * weight[0]
        for value, row in zip(x[1:], weight[1:], strict=True):
            total = total + value * row
        x = np.maximum(total + bias, 0.0) if weight is not layers[-1][0] else total + bias
    expected = np.array([math.tanh(value) for value in x], np.float32)
    action = TASKS[name].policy("expert")
    assert action is not None
    np.testing.assert_array_equal(action({"observation": observation}), expected)


@each
def test_shipped_policies_load_without_pickle_and_say_how_they_were_trained(name: str) -> None:
    body = name.removesuffix("TgtVel-m-e").lower()
    for rank in ("expert", "medium"):
        layers, recipe = locomotion.load(f"{body}-{rank}")  # np.load refuses pickles there
        assert recipe["environment"] == GYMNASIUM[name][0]
        assert {"seed", "steps", "updates", "speed", "return", "gymnasium", "mujoco", "torch"} <= set(recipe)
        widths = [len(weight) for weight, _ in layers] + [TASKS[name].sizes.action]
        assert widths[0] == {CHEETAH: 17, ANT: 27}[name]
        for (weight, bias), (fan_in, fan_out) in zip(layers, itertools.pairwise(widths), strict=True):
            assert weight.shape == (fan_in, fan_out)
            assert bias.shape == (fan_out,)
            assert weight.dtype == bias.dtype == np.float32


# --- training ---


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shrink the training script: 64 steps of 8 environments, an evaluation of one episode, and a checkpoint."""
    small = {
        "HIDDEN_CRITIC": 32,
        "BATCH": 32,
        "CAPACITY": 600,
        "WARM_UP": 256,
        "EVALUATE": 512,
        "EPISODES": 1,
    }
    for name, value in small.items():
        monkeypatch.setattr(train_locomotion, name, value)


def test_densities_are_those_of_the_squashed_gaussian() -> None:
    torch.manual_seed(0)
    actor = [parameter.double() for parameter in train_locomotion.layers([5, 16, 4])]
    observations = torch.randn(100, 5, dtype=torch.float64)
    actions, density = train_locomotion.sample(actor, observations)
    mean, log_std = train_locomotion.network(actor, observations[None], normalize=False)[0].chunk(2, -1)
    deviation = (3.5 * torch.tanh(log_std) - 1.5).exp()
    gaussian = torch.exp(-0.5 * ((torch.atanh(actions) - mean) / deviation) ** 2) / (deviation * (2 * np.pi) ** 0.5)
    expected = torch.log(gaussian / (1.0 - actions**2)).sum(-1)
    np.testing.assert_allclose(density.detach(), expected.detach(), rtol=1e-8)


@pytest.mark.usefixtures("small")
def test_critics_fit_rewards_and_the_actor_climbs_them() -> None:
    """Episodes of one step whose reward grows with the action's first entry and falls with the second."""
    torch.manual_seed(0)
    learner = train_locomotion.Learner(3, 2)
    rng = np.random.default_rng(0)
    states, actions = rng.standard_normal((600, 3)), rng.uniform(-1, 1, (600, 2))
    rewards = actions @ [[1.0], [-1.0]]
    learner.store(np.hstack([states, actions, rewards, np.ones((600, 1)), states]).astype(np.float32))
    for _ in range(200):
        learner.update()
    tensors = [torch.from_numpy(array).float() for array in (states, actions, rewards)]
    errors = train_locomotion.values(learner.critics, *tensors[:2]) - tensors[2][:, 0]
    assert errors.abs().mean() < 0.2  # without any learning 0.66
    found = np.array([learner.act(state) for state in states[:50]])
    assert found[:, 0].min() > 0.5
    assert found[:, 1].max() < -0.5


@pytest.mark.usefixtures("small")
def test_training_resumes_from_its_checkpoint_and_exports_what_it_evaluates(tmp_path: Path) -> None:
    train_locomotion.train("cheetah", tmp_path, steps=512, seed=0)
    first = (tmp_path / "curve.csv").read_text()
    train_locomotion.train("cheetah", tmp_path, steps=1024, seed=0)
    assert (tmp_path / "curve.csv").read_text().startswith(first)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint.pt",
        "curve.csv",
        "policy-1024.npz",
        "policy-512.npz",
    ]

    learner = train_locomotion.Learner(17, 6)
    learner.load(tmp_path / "checkpoint.pt")
    assert (learner.steps, learner.updates) == (1024, 194)  # 2 for each 8 steps from the 256th on
    state = np.random.default_rng(0).standard_normal(17)
    with np.load(tmp_path / "policy-1024.npz", allow_pickle=False) as arrays:
        x = state.astype(np.float32)
        for i in range(3):
            x = x @ arrays[f"weight{i}"] + arrays[f"bias{i}"]
            x = np.maximum(x, 0.0) if i < 2 else np.tanh(x)
    np.testing.assert_allclose(x, learner.act(state), atol=1e-6)


@pytest.mark.parametrize(("progress", "share"), [(0.0, 1.0), (0.5, 1.0), (2 / 3, 1.0), (0.8, 0.6), (1.0, 0.0)])
def test_the_learning_rate_falls_over_the_last_third(progress: float, share: float) -> None:
    assert train_locomotion.learning_rate(progress) == pytest.approx(share * 1e-3)


@pytest.mark.usefixtures("small")
def test_all_optimisers_follow_the_falling_learning_rate(tmp_path: Path) -> None:
    train_locomotion.train("cheetah", tmp_path, steps=640, seed=0)  # the only checkpoint is after four fifths
    learner = train_locomotion.Learner(17, 6)
    learner.load(tmp_path / "checkpoint.pt")
    rates = [optimizer.param_groups[0]["lr"] for optimizer in learner.optimizers]
    assert rates == pytest.approx([0.6e-3] * 3)
