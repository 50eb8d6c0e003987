"""CRL's losses against NumPy and SciPy implementations written from its equations, in float64."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import scipy.stats
import torch

from baselines.crl import CRL, MIN_SCALE, log_normal_cdf, nce_loss, squashed_log_prob
from smore_sweep.stacked.rng import Streams
from tests.conftest import Array, numeric_gradient
from tests.reference.gradients import CLOSE
from tests.reference.wiring import MEMBERS, SIZES, Reference, batch, discounted, networks
from tests.unit.stacked.world import EXPERT, T, observed, replay


def l_nce(pairs: Array, ends: Array) -> float:
    """Binary cross-entropy from probabilities, pair by pair, as the equation reads."""
    rows, total = len(pairs), 0.0
    for i in range(rows):
        for j in range(rows):
            p = 1 / (1 + math.exp(-float(pairs[i] @ ends[j])))
            total -= math.log(p if i == j else 1 - p)
    return total / rows**2


def log_density(actions: Array, means: Array, scales: Array) -> Array:
    """Of tanh of a Gaussian, by the change of variables; beyond 0.999 the probability of the tail over its width."""
    edge = math.atanh(0.999)
    before = np.arctanh(np.clip(actions, -0.999, 0.999))
    inside = scipy.stats.norm.logpdf(before, means, scales) - np.log(1 - np.tanh(before) ** 2)
    upper = scipy.stats.norm.logsf(edge, means, scales) - math.log(0.001)
    lower = scipy.stats.norm.logcdf(-edge, means, scales) - math.log(0.001)
    return np.asarray(np.where(actions >= 0.999, upper, np.where(actions <= -0.999, lower, inside)).sum(-1))


def test_nce_loss_and_its_gradients() -> None:
    random = np.random.default_rng(0)
    arrays = [random.normal(0, 1, (2, 7, 3)), random.normal(0, 1, (2, 7, 3))]
    leaves = [torch.tensor(array, requires_grad=True) for array in arrays]
    got = nce_loss(*leaves)
    expected = [l_nce(arrays[0][member], arrays[1][member]) for member in range(2)]
    np.testing.assert_allclose(got.detach().numpy(), expected, rtol=CLOSE)
    for place, gradient in enumerate(torch.autograd.grad(got.sum(), leaves)):

        def varied(x: Array, place: int = place) -> float:
            return l_nce(*(x if i == place else array[1] for i, array in enumerate(arrays)))

        numeric = numeric_gradient(varied, arrays[place][1])
        np.testing.assert_allclose(gradient[1].numpy(), numeric, rtol=CLOSE, atol=1e-9)


def test_nce_loss_by_hand() -> None:
    # Logits [[0, log 3], [log 3, 0]]: on the diagonal log 2 each, beside it log(1 + 3); over all four entries.
    ends = torch.eye(2)[None]
    pairs = torch.tensor([[[0.0, math.log(3)], [math.log(3), 0.0]]])
    assert nce_loss(pairs, ends).tolist() == pytest.approx([(2 * math.log(2) + 2 * math.log(4)) / 4])


def test_nce_loss_of_extreme_logits() -> None:
    # Logits [[1e4, -1e4], [1e4, -1e4]]: the first row is right, the second wrong by 1e4 twice.
    pairs = torch.tensor([[[1e4], [1e4]]], requires_grad=True)
    loss = nce_loss(pairs, torch.tensor([[[1.0], [-1.0]]]))
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert loss.tolist() == [5e3]
    assert pairs.grad is not None
    assert pairs.grad.tolist() == [[[0.0], [0.5]]]


def test_squashed_log_prob_and_its_gradients() -> None:
    random = np.random.default_rng(1)
    actions = np.tanh(random.normal(0, 1.5, (2, 40, 3)))
    actions[0, :10] = np.sign(actions[0, :10])  # at the bounds, as clipped actions are
    actions[0, 10, 0], actions[0, 10, 1] = 0.9995, -0.9995
    means, scales = random.normal(0, 1.5, (2, 40, 3)), np.exp(random.normal(0, 0.5, (2, 40, 3)))
    leaves = [torch.tensor(array, requires_grad=True) for array in (means, scales)]
    got = squashed_log_prob(torch.tensor(actions), *leaves)
    np.testing.assert_allclose(got.detach().numpy(), log_density(actions, means, scales), rtol=CLOSE)
    by_mean, by_scale = torch.autograd.grad(got.sum(), leaves)
    step = 1e-5
    up, down = log_density(actions, means + step, scales), log_density(actions, means - step, scales)
    np.testing.assert_allclose(by_mean.sum(-1).numpy(), (up - down) / (2 * step), rtol=CLOSE, atol=1e-7)
    up, down = log_density(actions, means, scales + step), log_density(actions, means, scales - step)
    np.testing.assert_allclose(by_scale.sum(-1).numpy(), (up - down) / (2 * step), rtol=CLOSE, atol=1e-6)


def test_squashed_log_prob_is_a_density() -> None:
    """It integrates to 1 over the actions, tails included: they are constant over 0.001 each."""
    inside = torch.linspace(-0.999, 0.999, 200_001, dtype=torch.float64)[1:-1, None]
    means, scales = torch.tensor([0.8], dtype=torch.float64), torch.tensor([1.3], dtype=torch.float64)
    middle = float(squashed_log_prob(inside, means, scales).exp().sum() * (inside[1] - inside[0]))
    bounds = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    tails = squashed_log_prob(bounds, means, scales).exp() * 0.001
    assert float(tails.min()) > 1e-4
    assert middle + float(tails.sum()) == pytest.approx(1.0, abs=1e-4)


def test_squashed_log_prob_by_hand() -> None:
    # At 0, tanh is the identity: the standard normal's density. atanh(tanh 1) = 1 is one scale of 2 above -1.
    got = squashed_log_prob(torch.tensor([[0.0], [math.tanh(1.0)]]), torch.tensor([[0.0], [-1.0]]), torch.tensor([1.0]))
    normal = -0.5 * math.log(2 * math.pi)
    assert got.tolist() == pytest.approx([normal, normal - 2.0 - math.log(1 - math.tanh(1.0) ** 2)], rel=1e-5)


def test_squashed_log_prob_of_the_sharpest_policy_is_finite() -> None:
    """In float32: the mean on the other side, scales as small as they get, actions at the bounds and inside."""
    actions = torch.tensor([[-1.0], [-0.9999], [0.0], [0.5], [1.0]])
    means = torch.full((5, 1), 8.0, requires_grad=True)
    scales = torch.full((5, 1), MIN_SCALE, requires_grad=True)
    got = squashed_log_prob(actions, means, scales)
    got.sum().backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(got).all()
    assert means.grad is not None
    assert scales.grad is not None
    assert torch.isfinite(means.grad).all()
    assert torch.isfinite(scales.grad).all()
    assert means.grad[:4].max() < -1e12  # towards the action
    assert float(got[-1].detach()) == pytest.approx(math.log(1000.0), rel=1e-4)  # all of the probability is in the tail


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_log_normal_cdf_and_its_gradient(precision: torch.dtype) -> None:
    points = np.array([-8e6, -1e4, -100.0, -12.0, -1.0, -0.1, 0.1, 1.0, 5.0, 12.0, 1e4])
    x = torch.tensor(points, dtype=precision, requires_grad=True)
    got = log_normal_cdf(x)
    (gradient,) = torch.autograd.grad(got.sum(), x)
    np.testing.assert_allclose(got.detach().numpy(), scipy.stats.norm.logcdf(points), rtol=CLOSE, atol=1e-6)
    # The derivative is density / probability.
    expected = np.exp(scipy.stats.norm.logpdf(points[2:]) - scipy.stats.norm.logcdf(points[2:]))
    np.testing.assert_allclose(gradient[2:].numpy(), expected, rtol=CLOSE, atol=1e-6)
    np.testing.assert_allclose(gradient[:2].numpy(), -points[:2], rtol=CLOSE)  # the difference of squares is lost there


@pytest.mark.usefixtures("double")
def test_the_networks_minimise_the_equations() -> None:
    """``losses`` on real networks: which network, which inputs, and where no gradient may flow."""
    method, rows = CRL(hidden=12, repr_dim=5), 6
    nets, data = networks(method), batch(rows)
    noise = torch.randn(MEMBERS, rows, SIZES.action, generator=torch.Generator().manual_seed(2))
    actions = data.actions.clone()
    actions[0, 0] = torch.tensor([1.0, -1.0, 0.2])
    b = torch.tensor([[0.05], [0.6]])
    data = dataclasses.replace(data, actions=actions, noise=noise)
    got, _ = method.losses(nets, data, {"bc_coefficient": b})

    net = Reference(nets)
    s, g = data.observations, data.goals
    logits = torch.einsum("kmir,kmjr->kmij", net("phi", s, actions), net("psi", g))
    sign = 1 - 2 * torch.eye(rows)  # -log p = log(1 + exp(-logit)), -log(1 - p) = log(1 + exp(logit))
    critic = torch.logaddexp(torch.zeros(()), sign * logits).mean((0, 2, 3))

    outputs = net("pi", s, g)
    mean, scale = outputs[..., :3], torch.log(1 + torch.exp(outputs[..., 3:])) + 1e-6
    taken = torch.tanh(mean + scale * noise)
    score = torch.einsum("kmir,kmir->kmi", net.constant("phi", s, taken), net.constant("psi", g).detach())
    before = torch.atanh(actions.clamp(-0.999, 0.999))
    normal = -0.5 * ((before - mean) / scale) ** 2 - (scale * (2 * math.pi) ** 0.5).log()
    inside = normal - (1 - before.tanh() ** 2).log()
    edge = torch.atanh(torch.tensor(0.999))
    beyond, side = actions.abs() >= 0.999, actions.sign()
    tail = torch.erfc((edge - side * mean) / (scale * 2**0.5)) / 0.002
    log_prob = torch.where(beyond, torch.where(beyond, tail, 1.0).log(), inside).sum(-1)
    policy = ((1 - b) * -score.min(0).values - b * log_prob).mean(-1)
    net.assert_minimised(got, {"critic": critic, "policy": policy})


def test_the_best_critic_is_the_density_ratio() -> None:
    """Of two kinds of goals, one follows each kind of pair 3 times in 4: exp(logit) stands 3 to 1, up to a constant."""
    rows = 400
    kind = torch.arange(rows) % 2
    follows = torch.where(torch.arange(rows) % 8 < 2, 1 - kind, kind)  # 1 in 4 swaps
    pairs, ends = torch.eye(2, dtype=torch.float64)[kind][None], torch.eye(2, dtype=torch.float64)[follows][None]
    # 200 x 200 entries of each combination, of which 150 or 50 are positives.
    odds = torch.tensor([[150.0, 50.0], [50.0, 150.0]], dtype=torch.float64) / 200**2
    table = torch.log(odds / (1 - odds)).requires_grad_()
    (at_best,) = torch.autograd.grad(nce_loss(pairs @ table, ends).sum(), table)
    assert float(at_best.abs().max()) < 1e-12
    ratio = table.detach().exp()
    assert float(ratio[0, 0] / ratio[0, 1]) == pytest.approx(3.0, rel=0.01)


def test_goals_are_geometric_futures_of_the_same_episode() -> None:
    world, method = replay((EXPERT,)), CRL(discount=0.5)
    knobs = {"bc_coefficient": torch.full((1, 1), 0.05), **discounted(0.5, 1)}
    drawn = method.sample(world, Streams([0], torch.tensor(1)), knobs, 600)
    assert drawn.noise is not None
    assert drawn.noise.shape == drawn.actions.shape
    uniform = Streams([0], torch.tensor(1)).uniform("rho", 4, 600)
    futures = world.goals.future_goals(uniform, torch.ones(1, 1), log_discount=knobs["log_discount"])
    assert torch.equal(world.batch(futures).goals, drawn.goals)
    steps = []
    for episode, time, goal in observed(world, futures, 0):
        if episode != (0, 2):  # two of its achieved goals look almost alike
            whole = round(goal)
            assert (whole // 1000, whole % 1000 // 100) == episode
            steps.append(whole % 100 // 10 - time)
    assert set(steps) == set(range(1, T + 1))


def test_floating_point_operations_count_the_logits() -> None:
    # phi: (4+3) -> 8 -> 5, psi: 2 -> 8 -> 5, twins both; pi: (4+2) -> 8 -> 6. Two a multiply-add; see ``rows``.
    method = CRL(hidden=8, hidden_layers=1, repr_dim=5)
    phi, psi, pi = 2 * (7 * 8 + 8 * 5), 2 * (2 * 8 + 8 * 5), 6 * 8 + 8 * 6
    logits = 2 * 10 * 5  # a row's inner products with the batch's goals
    assert method.flops(SIZES, 10) == 2 * 10 * (5 * phi + 3 * psi + 3 * pi + 3 * logits)
