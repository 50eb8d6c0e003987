"""The methods that see images against their equations, in NumPy, on representations of one's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from baselines import _images
from baselines.image_gcbc import ImageGCBC
from baselines.image_iql import ImageGCIQL
from baselines.image_smore import ImageSMORe
from baselines.stable_crl import StableCRL, nce_loss, td_loss
from smore_sweep.stacked.networks import Network, Networks
from smore_sweep.stacked.replay import Batch
from smore_sweep.task import Sizes
from smore_sweep.training.learner import knob_tensors

SIZES = Sizes(4, 4, 3)
MEMBERS, ROWS = 2, 6
CPU = torch.device("cpu")
Array = NDArray[np.float64]


@pytest.fixture(autouse=True)
def _double() -> Any:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def networks(method: Any) -> Networks:
    """At generic parameters, targets away from them."""
    generator = torch.Generator().manual_seed(0)
    nets = {name: Network(spec, name, range(MEMBERS), CPU) for name, spec in method.networks(SIZES).items()}
    with torch.no_grad():
        for net in nets.values():
            net.flat += 0.3 * torch.randn(net.flat.shape, generator=generator)
    return nets


def generic_batch(rows: int) -> Batch:
    generator = torch.Generator().manual_seed(1)

    def normal(width: int) -> torch.Tensor:
        return torch.randn(MEMBERS, rows, width, generator=generator)

    rewards = -(torch.randn(MEMBERS, rows, generator=generator) > 0).double()
    return Batch(
        normal(4), torch.tanh(normal(3)), normal(4), normal(4), normal(4), rewards,
        policy_observations=normal(4), policy_goals=normal(4), noise=normal(6),
    )  # fmt: skip


class Heads:
    """Networks as NumPy sees them: by name, member and inputs."""

    def __init__(self, nets: Networks, member: int) -> None:
        self._nets, self._member = nets, member

    def __call__(self, name: str, *inputs: Any, target: bool = False) -> Array:
        net = self._nets[name]
        joined = np.concatenate([np.asarray(x) for x in inputs], -1)
        flat = net.target_flat if target else net.flat.detach()
        assert flat is not None
        leaves, spec = net.leaves(flat), net.spec
        copies = []
        for copy in range(spec.copies):
            h = joined
            for i in range(len(spec.hidden) + 1):  # type: ignore[union-attr]
                weights = {k: leaves[f"{k}{i}"][copy * MEMBERS + self._member].numpy() for k in ("w", "b")}
                h = h @ weights["w"] + weights["b"]
                if i < len(spec.hidden):  # type: ignore[union-attr]
                    h = (h - h.mean(-1, keepdims=True)) / np.sqrt(h.var(-1, keepdims=True) + 1e-5)
                    scale, shift = (
                        leaves[f"{k}{i}"][copy * MEMBERS + self._member].numpy() for k in ("scale", "shift")
                    )
                    h = np.maximum(h * scale + shift, 0.0)
            copies.append(h)
        return np.stack(copies) if spec.copies > 1 else copies[0]

    def score(self, states: Any, actions: Any, goals: Any, target: bool = False) -> Array:
        phi, psi = self("phi", states, actions, target=target), self("psi", goals, target=target)
        scores: Array = np.einsum("krd,krd->kr", phi, psi)
        return scores

    def value(self, states: Any, goals: Any) -> Array:
        values: Array = self("V", states, goals)[:, 0]
        return values

    def log_prob(self, actions: Any, states: Any, goals: Any) -> Array:
        z = (np.asarray(actions) - self("pi", states, goals)) / 0.15
        density: Array = (-0.5 * z**2 - np.log(0.15) - 0.5 * np.log(2 * np.pi)).sum(-1)
        return density


def expectile(u: Array, tau: float) -> Array:
    loss: Array = np.abs(tau - (u < 0)) * u**2
    return loss


def computed(method: Any, batch: Batch) -> tuple[Networks, dict[str, torch.Tensor]]:
    nets = networks(method)
    return nets, method.losses(nets, batch, knob_tensors([method] * MEMBERS, CPU))[0]


def rows_of(batch: Batch, member: int, rows: slice) -> dict[str, Array]:
    names = (
        "observations",
        "actions",
        "next_observations",
        "goals",
        "rewards",
        "policy_observations",
        "policy_goals",
        "noise",
    )
    return {name: getattr(batch, name)[member, rows].numpy() for name in names}


def test_smore() -> None:
    method = ImageSMORe(hidden=8, encoder="none", beta=0.3, discount=0.9, expectile=0.7, temperature=0.5)
    batch = generic_batch(2 * ROWS)
    assert batch.policy_observations is not None
    assert batch.policy_goals is not None
    batch = replace(
        batch, policy_observations=batch.policy_observations[:, :ROWS], policy_goals=batch.policy_goals[:, :ROWS]
    )
    nets, losses = computed(method, batch)
    for member in range(MEMBERS):
        heads, rho, q = (
            Heads(nets, member),
            *(rows_of(batch, member, part) for part in (slice(ROWS), slice(ROWS, None))),
        )
        y = {
            name: 0.9 * heads.value(part["next_observations"], part["goals"])
            - heads.score(part["observations"], part["actions"], part["goals"])
            for name, part in (("rho", rho), ("q", q))
        }
        scores = heads.score(rho["observations"], rho["actions"], rho["goals"])
        expected = (
            0.3 * 0.1 * scores.mean(-1) + 0.3 * (y["q"] + y["q"] ** 2 / 4).mean(-1) + 0.7 * (y["rho"] ** 2 / 4).mean(-1)
        )
        assert losses["score"][member].item() == pytest.approx(expected.sum())
        slow = heads.score(rho["observations"], rho["actions"], rho["goals"], target=True).min(0)
        u = slow - heads.value(rho["observations"], rho["goals"])
        assert losses["value"][member].item() == pytest.approx(expectile(u, 0.7).mean())
        log_prob = heads.log_prob(rho["actions"], rho["policy_observations"], rho["policy_goals"])
        assert losses["policy"][member].item() == pytest.approx(-(np.minimum(np.exp(0.5 * u), 100) * log_prob).mean())


def test_gciql() -> None:
    method = ImageGCIQL(hidden=8, encoder="none", discount=0.9, expectile=0.7, temperature=0.5)
    batch = generic_batch(ROWS)
    nets, losses = computed(method, batch)
    for member in range(MEMBERS):
        heads, rows = Heads(nets, member), rows_of(batch, member, slice(None))
        states, actions, goals, r = (rows[name] for name in ("observations", "actions", "goals", "rewards"))
        assert 0 < (r == 0).sum() < ROWS
        target = r + 0.9 * (r != 0) * heads.value(rows["next_observations"], goals)
        errors = (target - heads.score(states, actions, goals)) ** 2
        assert losses["critic"][member].item() == pytest.approx(errors.mean(-1).sum())
        u = heads.score(states, actions, goals, target=True).min(0) - heads.value(states, goals)
        assert losses["value"][member].item() == pytest.approx(expectile(u, 0.7).mean())
        log_prob = heads.log_prob(actions, rows["policy_observations"], rows["policy_goals"])
        assert losses["policy"][member].item() == pytest.approx(-(np.minimum(np.exp(0.5 * u), 100) * log_prob).mean())


def test_gcbc() -> None:
    batch = generic_batch(ROWS)
    nets, losses = computed(ImageGCBC(hidden=8, encoder="none"), batch)
    for member in range(MEMBERS):
        rows = rows_of(batch, member, slice(None))
        log_prob = Heads(nets, member).log_prob(rows["actions"], rows["policy_observations"], rows["policy_goals"])
        assert losses["policy"][member].item() == pytest.approx(-log_prob.mean())


def bce(logits: Array, label: int) -> Array:
    probability = 1 / (1 + np.exp(-logits))
    return -np.log(probability if label else 1 - probability)


@pytest.mark.parametrize("loss", ["td", "nce"])
def test_stable_crl(loss: str) -> None:
    method = StableCRL(hidden=8, encoder="none", loss=loss, discount=0.8, bc_coefficient=0.3)
    batch = generic_batch(ROWS)
    nets, losses = computed(method, batch)
    for member in range(MEMBERS):
        heads, rows = Heads(nets, member), rows_of(batch, member, slice(None))
        states, actions, nexts, goals = (rows[n] for n in ("observations", "actions", "next_observations", "goals"))
        own_noise, next_noise = 0.15 * rows["noise"][:, :3], 0.15 * rows["noise"][:, 3:]
        if loss == "td":
            random = nexts[[-1, *range(ROWS - 1)]]
            proposed = heads("pi", nexts, random) + next_noise
            weights = np.minimum(np.exp(heads.score(nexts, proposed, random, target=True).min(0)), 20)
            terms = (
                0.2 * bce(heads.score(states, actions, nexts), 1)
                + 0.8 * weights * bce(heads.score(states, actions, random), 1)
                + bce(heads.score(states, actions, random), 0)
            )
            expected = terms.mean(-1).sum()
        else:
            logits = np.einsum("kid,kjd->kij", heads("phi", states, actions), heads("psi", goals))
            diagonal = np.eye(ROWS, dtype=bool)
            expected = sum(
                (bce(head[diagonal], 1) + bce(head, 0)[~diagonal].reshape(ROWS, -1).mean(-1)).mean() for head in logits
            )
        assert losses["critic"][member].item() == pytest.approx(expected)
        climbed = heads.score(states, heads("pi", states, goals) + own_noise, goals).min(0).mean()
        log_prob = heads.log_prob(actions, rows["policy_observations"], rows["policy_goals"]).mean()
        assert losses["policy"][member].item() == pytest.approx(-0.7 * climbed - 0.3 * log_prob)


def test_the_policy_of_stable_crl_climbs_the_critic_without_moving_it() -> None:
    nets, losses = computed(StableCRL(hidden=8, encoder="none", bc_coefficient=0.0), generic_batch(ROWS))
    gradients = torch.autograd.grad(losses["policy"].sum(), [net.flat for net in nets.values()], allow_unused=True)
    moved = {name: gradient is not None for name, gradient in zip(nets, gradients, strict=True)}
    assert moved == {"phi": False, "psi": False, "pi": True}


def test_weights_are_constants_and_cut_off() -> None:
    judged = torch.tensor([[10.0, -1.0]], requires_grad=True)
    zero = torch.zeros(1, 2)
    found = td_loss(zero, zero, judged.detach(), torch.tensor([[0.5]]))
    log2 = np.log(2)
    assert float(found) == pytest.approx(np.mean([(0.5 + 0.5 * w + 1) * log2 for w in (20.0, np.exp(-1))]))


def test_nce_weighs_the_negatives_of_a_pair_as_much_as_the_pair() -> None:
    logits = torch.full((3, 5, 5), -50.0)
    assert float(nce_loss(logits)[0]) == pytest.approx(50.0)
    assert float(nce_loss(-logits)[0]) == pytest.approx(50.0)


def test_last_layers_start_cold() -> None:
    for name, spec in ImageSMORe(hidden=8, encoder="none").networks(SIZES).items():
        net = Network(spec, name, [0], CPU)
        last = net.leaves(net.flat.detach())["w2"].abs().max()
        assert 0.5 * _images.COLD < float(last) <= _images.COLD
        bound = np.sqrt(2) * np.sqrt(6 / (8 + 8))
        assert 0.8 * bound < float(net.leaves(net.flat.detach())["w1"].abs().max()) <= bound
