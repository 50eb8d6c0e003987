"""Losses that methods share against NumPy implementations, in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from smore_sweep.losses import (
    chance,
    expectile_loss,
    exponential_weights,
    gaussian_log_prob,
    log_mean_exp,
    logistic_loss,
)
from tests.conftest import Array, numeric_gradient
from tests.reference.gradients import CLOSE, torch_gradient


@pytest.mark.parametrize("expectile", [0.1, 0.5, 0.8])
def test_expectile_loss(expectile: float) -> None:
    u = np.random.default_rng(3).normal(size=50)

    def expected(x: Array) -> Array:
        return np.asarray(np.abs(expectile - (x < 0)) * x**2)

    level = torch.tensor(expectile, dtype=torch.float64)
    np.testing.assert_allclose(expectile_loss(torch.tensor(u), level).numpy(), expected(u), rtol=CLOSE)
    gradient = torch_gradient(lambda leaf: expectile_loss(leaf, level).sum(), u)
    np.testing.assert_allclose(gradient, numeric_gradient(lambda x: expected(x).sum(), u), rtol=CLOSE, atol=1e-9)


def test_expectile_minimiser_is_the_upper_expectile() -> None:
    # Targets 0 and 1, expectile 0.8: 0.8 (1 - v) = 0.2 v, so v = 0.8. (The lower expectile would be 0.2.)
    grid = torch.linspace(0, 1, 1001, dtype=torch.float64)
    targets = torch.tensor([0.0, 1.0], dtype=torch.float64)
    loss = expectile_loss(targets - grid[:, None], torch.tensor(0.8, dtype=torch.float64)).mean(-1)
    assert float(grid[loss.argmin()]) == pytest.approx(0.8)


def test_expectile_is_one_per_member() -> None:
    # Rows: residuals (-1, 2) at 0.8 give 0.2 * 1 and 0.8 * 4; at 0.5 they give 0.5 * 1 and 0.5 * 4.
    loss = expectile_loss(torch.tensor([[-1.0, 2.0], [-1.0, 2.0]]), torch.tensor([[0.8], [0.5]]))
    torch.testing.assert_close(loss, torch.tensor([[0.2, 3.2], [0.5, 2.0]]))


def test_exponential_weights() -> None:
    advantages = np.random.default_rng(4).normal(0.0, 2.0, (2, 40))
    temperature = np.array([[3.0], [0.5]])
    got = exponential_weights(torch.tensor(advantages), torch.tensor(temperature))
    np.testing.assert_allclose(got.numpy(), np.minimum(np.exp(temperature * advantages), 100.0), rtol=CLOSE)


def test_exponential_weights_never_overflow() -> None:
    extreme = torch.tensor([-1e6, 0.0, 1e6, 3e38])
    assert exponential_weights(extreme, torch.tensor(3.0)).tolist() == pytest.approx([0.0, 1.0, 100.0, 100.0], rel=1e-5)


def test_gaussian_log_prob_and_its_gradients() -> None:
    random = np.random.default_rng(5)
    actions, means = random.normal(size=(2, 3, 4, 2))
    log_std = random.normal(0.0, 0.7, (3, 1, 2))

    def expected(actions: Array, means: Array, log_std: Array) -> Array:
        std = np.exp(log_std)
        density = np.exp(-0.5 * ((actions - means) / std) ** 2) / (std * np.sqrt(2 * np.pi))
        return np.asarray(np.log(np.prod(density, axis=-1)))

    arrays = [actions, means, log_std]
    leaves = [torch.tensor(array, requires_grad=True) for array in arrays]
    value = gaussian_log_prob(*leaves)
    np.testing.assert_allclose(value.detach().numpy(), expected(*arrays), rtol=CLOSE)
    for place, gradient in enumerate(torch.autograd.grad(value.sum(), leaves)):

        def varied(x: Array, place: int = place) -> Array:
            return np.asarray(expected(*(x if i == place else array for i, array in enumerate(arrays))).sum())

        np.testing.assert_allclose(gradient.numpy(), numeric_gradient(varied, arrays[place]), rtol=CLOSE, atol=1e-8)


def test_gaussian_log_prob_by_hand() -> None:
    # One dimension at the mean, std 1: -0.5 log(2 pi) = -0.918939. Another one std (of e) away: -0.5 - 1 - 0.918939.
    actions, means = torch.tensor([[0.3, math.e]]), torch.tensor([[0.3, 0.0]])
    got = gaussian_log_prob(actions, means, torch.tensor([[0.0, 1.0]]))
    assert got.tolist() == pytest.approx([-1.5 - 2 * 0.918939], rel=1e-5)


def test_log_mean_exp_and_its_gradient() -> None:
    values = np.random.default_rng(6).normal(0.0, 3.0, (2, 9))

    def expected(x: Array) -> Array:
        return np.asarray(np.log(np.mean(np.exp(x), axis=-1)))

    np.testing.assert_allclose(log_mean_exp(torch.tensor(values)).numpy(), expected(values), rtol=CLOSE)
    gradient = torch_gradient(lambda leaf: log_mean_exp(leaf).sum(), values)
    numeric = numeric_gradient(lambda x: expected(x).sum(), values)
    np.testing.assert_allclose(gradient, numeric, rtol=CLOSE, atol=1e-8)


def test_log_mean_exp_never_overflows() -> None:
    # log((e^1e6 + e^1e6 + ~0 + ~0) / 4) = 1e6 + log(1/2)
    got = log_mean_exp(torch.tensor([1e6, 1e6, 0.0, -1e6], dtype=torch.float64))
    assert float(got) == pytest.approx(1e6 - math.log(2), abs=1e-6)
    assert torch.isfinite(log_mean_exp(torch.tensor([1e6, -1e6])))


def test_logistic_loss_is_the_cross_entropy() -> None:
    random = np.random.default_rng(5)
    logits, chances = random.normal(size=20), random.uniform(size=20)
    chances[:2] = 0, 1

    def expected(x: Array) -> Array:
        p = 1 / (1 + np.exp(-x))
        return np.asarray(-chances * np.log(p) - (1 - chances) * np.log(1 - p))

    wanted = torch.tensor(chances)
    np.testing.assert_allclose(chance(torch.tensor(logits)).numpy(), 1 / (1 + np.exp(-logits)), rtol=CLOSE)
    np.testing.assert_allclose(logistic_loss(torch.tensor(logits), wanted).numpy(), expected(logits), rtol=CLOSE)
    gradient = torch_gradient(lambda leaf: logistic_loss(leaf, wanted).sum(), logits)
    np.testing.assert_allclose(gradient, numeric_gradient(lambda x: expected(x).sum(), logits), rtol=CLOSE, atol=1e-9)
    far = logistic_loss(torch.tensor([-500.0, 500.0]), torch.tensor([1.0, 0.0]))
    assert far.tolist() == [500.0, 500.0]
