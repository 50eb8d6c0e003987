"""Extraction of policies: its losses in float64, and its ways of acting, for every critic that has them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from baselines.am import AM, PROPOSALS
from baselines.crl import CRL, squashed_log_prob
from baselines.iql import GCIQL
from baselines.xql import GCXQL
from smore_sweep.errors import DeclarationError
from smore_sweep.extraction import STEPS, ExtractingMethod, climbing_loss
from smore_sweep.smore import SMORe
from smore_sweep.stacked.networks import Network, Networks
from smore_sweep.stacked.replay import Batch
from smore_sweep.stacked.rng import Draws
from smore_sweep.training.learner import knob_tensors
from tests.conftest import Array, numeric_gradient
from tests.reference.gradients import torch_gradient
from tests.reference.wiring import CPU, MEMBERS, SIZES, Reference, batch, networks

ROWS = 24
WEIGHTS = (0.4, 2.0)
"""Of cloning, of two members."""
KINDS: list[type[Any]] = [SMORe, GCIQL, GCXQL, CRL, AM]


def q(method: ExtractingMethod, net: Reference, s: torch.Tensor, g: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """The method's critic, as a constant; the gradient reaches the actions."""
    if isinstance(method, CRL):
        return (net.constant("phi", s, a) * net.constant("psi", g)).sum(-1).min(0).values
    score = net.constant(method.critics[0], s, g, a)[..., 0]
    return score if isinstance(method, AM) else score.min(0).values


def data_for(method: ExtractingMethod) -> tuple[Batch, torch.Tensor]:
    """A batch, and the noise of the flow in it, ``[M, rows, a + 1]``."""
    data, random = batch(ROWS), torch.Generator().manual_seed(8)
    rows = ROWS // 2 if isinstance(method, SMORe) else ROWS
    flow = torch.cat(
        [torch.randn(MEMBERS, rows, SIZES.action, generator=random), torch.rand(MEMBERS, rows, 1, generator=random)], -1
    )
    if isinstance(method, AM):
        proposals = torch.rand(MEMBERS, rows, PROPOSALS, SIZES.action + 1, generator=random)
        return replace(data, bootstrap_goals=data.goals, noise=torch.cat([proposals, flow[:, :, None]], 2)), flow
    return data.with_noise(flow), flow


def assert_same(got: torch.Tensor, expected: torch.Tensor, nets: Networks, net: Reference, moved: set[str]) -> None:
    """The losses and their gradients are equal, and nothing but ``moved`` has one."""
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)
    gradients = torch.autograd.grad(got.sum(), [each.flat for each in nets.values()], allow_unused=True)
    plainly = torch.autograd.grad(expected.sum(), list(net._flat.values()), allow_unused=True)
    for (name, each), mine, plain in zip(nets.items(), gradients, plainly, strict=True):
        reached = mine is not None and bool(mine.abs().max() > 0)
        assert reached is (name in moved), name
        if reached:
            for leaf, values in each.leaves(plain).items():
                torch.testing.assert_close(each.leaves(mine)[leaf], values, rtol=1e-8, atol=1e-10)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("extraction", ["gradient", "gradient_bc", "sampling"])
@pytest.mark.parametrize("kind", KINDS)
def test_losses(kind: type[Any], extraction: str) -> None:
    method = kind(hidden=12, extraction=extraction)
    data, flow = data_for(method)
    own = ("bc_weight",) if extraction == "gradient_bc" else ()
    methods = [replace(method, **dict.fromkeys(own, weight)) for weight in WEIGHTS]
    nets = networks(method)
    knobs = {name: column.double() for name, column in knob_tensors(methods, CPU).items()}
    got, _ = method.losses(nets, data, knobs)
    net = Reference(nets)
    rows = flow.shape[1]
    s, g, a = data.observations[:, :rows], data.goals[:, :rows], data.actions[:, :rows]
    if extraction == "sampling":
        x0, tau = flow[..., :-1], flow[..., -1:]
        velocity = net(method.flow, s, g, (1 - tau) * x0 + tau * a, tau)
        expected = ((velocity - (a - x0)) ** 2).mean((1, 2))
        return assert_same(got["flow" if kind is AM else "policy"], expected, nets, net, {method.flow})
    mu = torch.tanh(net("pi", s, g))
    scores = q(method, net, s, g, mu)
    expected = -scores.mean(-1)
    if extraction == "gradient_bc":
        size = scores.detach().abs().mean(-1)
        expected = expected / size + torch.tensor(WEIGHTS, dtype=torch.float64) * ((mu - a) ** 2).mean((1, 2))
    return assert_same(got["policy"], expected, nets, net, {"pi"})


@pytest.mark.usefixtures("double")
def test_crls_weights_compare_the_critic_with_a_value_of_its_own() -> None:
    methods = [CRL(hidden=12, extraction="awr", temperature=value) for value in (0.5, 0.02)]
    nets, data = networks(methods[0]), batch(ROWS)
    knobs = {name: column.double() for name, column in knob_tensors(methods, CPU).items()}
    got, _ = methods[0].losses(nets, data, knobs)
    net = Reference(nets)
    s, g, a = data.observations, data.goals, data.actions

    def contrast(logits: torch.Tensor) -> torch.Tensor:
        certain = torch.logaddexp(logits, torch.zeros_like(logits))  # -log(1 - sigmoid)
        return (certain - torch.eye(ROWS) * logits).mean((-2, -1))

    pairs = torch.einsum("kmir,kmjr->kmij", net("phi", s, a), net("psi", g))
    starts = torch.einsum("mir,mjr->mij", net("phi V", s), net("psi V", g))
    advantage = (pairs.diagonal(dim1=-2, dim2=-1).min(0).values - starts.diagonal(dim1=-2, dim2=-1)).detach()
    weights = torch.exp(torch.tensor([[0.5], [0.02]]) * advantage).clamp(max=100)
    outputs = net("pi", s, g)
    means, raw = outputs[..., : SIZES.action], outputs[..., SIZES.action :]
    log_prob = squashed_log_prob(a, means, 1e-6 + torch.log1p(torch.exp(raw)))
    net.assert_minimised(
        got, {"critic": contrast(pairs).mean(0), "value": contrast(starts), "policy": -(weights * log_prob).mean(-1)}
    )


def test_the_gradient_of_climbing_and_cloning_is_that_of_finite_differences() -> None:
    """For ``q = -|a - peak|^2``, whose mean absolute value is a constant of the loss."""
    random = np.random.default_rng(0)
    means, actions, peak = (random.uniform(-1, 1, size=(5, 3)) for _ in range(3))

    def scores(x: Any) -> Any:
        return -((x - peak) ** 2).sum(-1)

    size = np.abs(scores(means)).mean()

    def expected(x: Array) -> float:
        return float(-scores(x).mean() / size + 0.7 * ((x - actions) ** 2).mean())

    def loss(x: torch.Tensor) -> torch.Tensor:
        tensor_scores = -((x - torch.tensor(peak)) ** 2).sum(-1)
        return climbing_loss(tensor_scores[None], x[None], torch.tensor(actions)[None], torch.tensor([[0.7]])).sum()

    assert float(loss(torch.tensor(means))) == pytest.approx(expected(means), rel=1e-6)
    np.testing.assert_allclose(torch_gradient(loss, means), numeric_gradient(expected, means), rtol=1e-4, atol=1e-6)


def acting(method: ExtractingMethod) -> tuple[Networks, torch.Tensor, torch.Tensor, Draws]:
    """The acting networks of one member, observations, goals and random numbers."""
    specs, random = method.networks(SIZES), torch.Generator().manual_seed(6)
    nets = {name: Network(specs[name], name, [3], CPU) for name in method.acts_with}
    with torch.no_grad():
        for net in nets.values():
            net.flat += 0.1 * torch.randn(net.flat.shape, generator=random)
    states, goals = (torch.randn(1, ROWS, size, generator=random) for size in (SIZES.observation, SIZES.goal))
    return nets, states, goals, Draws("Task", range(ROWS), 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_of_one_is_the_clone_and_more_are_better(kind: type[Any]) -> None:
    many = kind(hidden=12, extraction="sampling", samples=8)
    nets, states, goals, draws = acting(many)
    x = draws.normal("action", 1, SIZES.action)[:, :, 0]
    for step in range(STEPS):
        x = x + nets[many.flow].frozen(states, goals, x, torch.full((1, ROWS, 1), step / STEPS)) / STEPS
    one = replace(many, samples=1).sample_actions(nets, states, goals, draws)
    torch.testing.assert_close(one, x.clamp(-1, 1), rtol=1e-5, atol=1e-6)

    before = many.score(nets, states, goals, one)
    for count in (2, 8):  # of more samples the first are the same
        actions = replace(many, samples=count).sample_actions(nets, states, goals, draws)
        after = many.score(nets, states, goals, actions)
        assert (after >= before - 1e-5).all()
        before = after
    assert (before > many.score(nets, states, goals, one)).float().mean() > 0.5


@pytest.mark.parametrize("extraction", ["gradient_bc", "sampling"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_of_opex_raises_the_critic(kind: type[Any], extraction: str) -> None:
    how = {"samples": 1} if extraction == "sampling" else {"critic_acts": True}  # the best of many are in the corners
    still = kind(hidden=12, extraction=extraction, **how)
    nets, states, goals, draws = acting(still)
    with torch.no_grad():
        actions = still.sample_actions(nets, states, goals, draws)
        moved = replace(still, opex=1e-2).sample_actions(nets, states, goals, draws)
        assert not moved.requires_grad
    inside = ((actions.abs() < 0.95) & (moved.abs() < 1)).all(-1)
    assert inside.any()
    rises = still.score(nets, states, goals, moved) - still.score(nets, states, goals, actions)
    assert (rises[inside] > 0).all()
    # To first order, the rise is the step times the squared gradient, and the move the step times the gradient.
    gradient = (moved - actions) / 1e-2
    torch.testing.assert_close(rises[inside], 1e-2 * gradient.square().sum(-1)[inside], rtol=0.2, atol=1e-4)
    assert (replace(still, opex=100.0).sample_actions(nets, states, goals, draws).abs() <= 1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_training_on_visited_states_is_a_step_of_gradient_in_each(kind: type[Any]) -> None:
    """Against plain autograd, row by row, through two steps of an episode."""
    method = kind(hidden=12, extraction="gradient_bc", critic_acts=True, ttt=0.02)
    nets, states, goals, draws = acting(method)
    episodes = replace(draws, step=0)
    got = [method.sample_actions(nets, now, goals, replace(episodes, step=t)) for t, now in ((0, states), (1, -states))]
    assert list(episodes.memory) == [0, 1]  # no more than a repeated call needs
    again = method.sample_actions(nets, -states, goals, replace(episodes, step=1))
    torch.testing.assert_close(again, got[1], rtol=0, atol=0)
    for row in (0, ROWS - 1):
        leaves = {name: leaf.detach().clone()[0] for name, leaf in nets["pi"].leaves(nets["pi"].flat).items()}
        for t, state in enumerate((states[:, row], -states[:, row])):
            goal = goals[:, row]
            leaves = {name: leaf.requires_grad_() for name, leaf in leaves.items()}
            mean = mlp(leaves, torch.cat([state, goal], -1)).tanh()
            offline = method.act(nets, state[None], goal[None])[0]
            score = method.score(nets, state[None], goal[None], mean[None])[0, 0]
            loss = -score / score.detach().abs() + ((mean - offline) ** 2).mean()
            slopes = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
            leaves = {
                name: (leaf - 0.02 * (0 if slope is None else slope)).detach()
                for (name, leaf), slope in zip(leaves.items(), slopes, strict=True)
            }
            action = mlp(leaves, torch.cat([state, goal], -1)).tanh()
            torch.testing.assert_close(got[t][:, row], action, rtol=1e-4, atol=1e-5)
    assert not torch.equal(got[0], method.act(nets, states, goals))


def mlp(leaves: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Outputs of a ReLU network."""
    last = max(int(name[1:]) for name in leaves if name.startswith("w"))
    for layer in range(last):
        x = torch.relu(x @ leaves[f"w{layer}"] + leaves[f"b{layer}"])
    return x @ leaves[f"w{last}"] + leaves[f"b{last}"]


def test_an_episode_is_trained_on_alone() -> None:
    """Its actions depend on its own states, not on the episodes beside it."""
    method = SMORe(hidden=12, extraction="awr", critic_acts=True, ttt=0.1)
    nets, states, goals, draws = acting(method)
    both = [replace(draws, step=0, memory={}) for _ in range(2)]
    other = states.clone()
    other[:, 1:] *= -3.0
    for step in range(3):
        actions = [
            method.sample_actions(nets, rows, goals, replace(each, step=step))
            for rows, each in zip((states, other), both, strict=True)
        ]
        assert torch.equal(actions[0][:, 0], actions[1][:, 0])
        assert not torch.equal(actions[0][:, 1], actions[1][:, 1])


def test_without_opex_nothing_but_the_policy_is_kept() -> None:
    for kind in KINDS:
        assert kind().acts_with == ("pi",)
        assert kind(critic_acts=True).acts_with == ("pi", *kind.critics)
        assert kind(extraction="sampling").acts_with == (kind.flow, *kind.critics)
        assert not {"extraction", "samples", "opex", "ttt", "critic_acts", "bc_weight"} & set(kind().content())


@pytest.mark.parametrize(
    ("kind", "wrong", "sentence"),
    [
        (SMORe, {"samples": 4}, "extraction = 'awr' has no samples; only 'sampling' has"),
        (GCIQL, {"opex": 0.1}, "opex = 0.1 needs critic_acts = true"),
        (GCIQL, {"ttt": 0.1}, "ttt = 0.1 needs a policy and critic_acts = true"),
        (GCIQL, {"extraction": "sampling", "ttt": 0.1}, "ttt = 0.1 needs a policy and critic_acts = true"),
        (GCIQL, {"extraction": "sampling", "critic_acts": True}, "has the critic anyway"),
        (GCIQL, {"extraction": "gradient", "temperature": 1.0}, "has no temperature; only 'awr' has"),
        (CRL, {"bc_weight": 1.0}, "extraction = 'release' has no bc_weight; only 'gradient_bc' has"),
        (CRL, {"extraction": "awr", "bc_coefficient": 0.3}, "has no bc_coefficient; only 'release' has"),
        (AM, {"extraction": "awr"}, "it must be one of gradient, gradient_bc, sampling"),
        (SMORe, {"extraction": "sampling", "initial_action": "policy"}, "has no policy"),
    ],
)
def test_knobs_that_have_no_meaning_are_refused(kind: type[Any], wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DeclarationError, match=sentence):
        kind(**wrong)
