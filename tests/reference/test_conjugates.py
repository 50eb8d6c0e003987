"""The conjugates of Table 3 and their slopes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from smore_sweep.smore import DIVERGENCES, conjugate
from tests.conftest import Array
from tests.reference.f_divergences import ALL, EDGES, f, f_star
from tests.reference.gradients import CLOSE, torch_gradient


def points() -> Array:
    """On both sides of every edge, none within a finite difference of one."""
    return np.random.default_rng(0).uniform(-4.0, 7.0, 400)


@pytest.mark.parametrize("divergence", ALL)
def test_conjugate_values_and_slopes(divergence: str) -> None:
    y = points()
    np.testing.assert_allclose(conjugate(divergence, torch.tensor(y)).numpy(), f_star(divergence, y), rtol=CLOSE)
    slopes = torch_gradient(lambda leaf: conjugate(divergence, leaf).sum(), y)
    expected = (f_star(divergence, y + 1e-6) - f_star(divergence, y - 1e-6)) / 2e-6
    np.testing.assert_allclose(slopes, expected, rtol=CLOSE, atol=1e-8)


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_conjugate_is_the_supremum_inside_its_domain(divergence: str) -> None:
    low, high = (
        (-0.5, 0.5) if divergence == "total_variation" else (-3.0, min(EDGES.get(divergence, (3.0, 0.0))[0], 3.0))
    )
    # Ratios x are not negative; Pearson's conjugate in Table 3 is the unconstrained one, so there x runs over all
    # reals.
    x = np.linspace(-5.0 if divergence == "pearson" else 0.0, 105.0, 550_001 if divergence == "pearson" else 525_001)
    values = f(divergence, x)
    for y in np.linspace(low, high, 25):
        assert float(conjugate(divergence, torch.tensor(y))) == pytest.approx(np.max(x * y - values), abs=2e-6)


@pytest.mark.parametrize("divergence", ALL)
def test_conjugate_is_convex_and_continuous(divergence: str) -> None:
    y = torch.linspace(-6, 8, 140_001, dtype=torch.float64)
    values = conjugate(divergence, y)
    steepest = 110.0  # f*' is at most 100 beyond the edges
    assert values.diff().abs().max() < steepest * 1e-4
    assert values.diff().diff().min() > -1e-11


@pytest.mark.parametrize("divergence", sorted(EDGES))
def test_conjugate_and_its_slope_meet_at_the_edge(divergence: str) -> None:
    edge, value = EDGES[divergence]
    near = np.array([edge - 1e-9, edge + 1e-9])
    np.testing.assert_allclose(conjugate(divergence, torch.tensor(near)).numpy(), value, rtol=1e-6)
    np.testing.assert_allclose(torch_gradient(lambda y: conjugate(divergence, y).sum(), near), 100.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("divergence", "y", "expected"),
    [
        ("pearson", 2.0, 3.0),  # 2 + 4/4
        ("pearson", -4.0, 0.0),  # -4 + 16/4
        ("printed", 2.0, 6.0),  # 2 + 4
        ("kl", 1.0, 1.0),  # exp(1 - 1)
        ("kl", 2.0 + math.log(100), 200.0),  # one beyond the edge: 100 + 100
        ("hellinger", 0.5, 1.0),  # 0.5 / 0.5
        ("hellinger", -1.0, -0.5),  # -1 / 2
        ("hellinger", 1.9, 109.0),  # one beyond the edge: 9 + 100
        ("jensen_shannon", 0.0, 0.0),  # -log(2 - 1)
        ("jensen_shannon", math.log(1.5), math.log(2)),  # -log(2 - 1.5)
        ("jensen_shannon", math.log(200 / 101) + 1, math.log(50.5) + 100),  # one beyond the edge
        ("total_variation", 0.25, 0.25),
        ("total_variation", 1.5, 2.5),  # 1.5 + (1.5 - 0.5)^2
        ("total_variation", -1.5, -0.5),  # -1.5 + (1.5 - 0.5)^2
    ],
)
def test_conjugate_by_hand(divergence: str, y: float, expected: float) -> None:
    assert float(conjugate(divergence, torch.tensor(y, dtype=torch.float64))) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("divergence", ALL)
def test_conjugate_of_extreme_values_is_finite_in_float32(divergence: str) -> None:
    y = torch.tensor([-1e4, -100.0, 0.0, 0.9, 1.0, 100.0, 1e4], requires_grad=True)
    values = conjugate(divergence, y)
    values.sum().backward()  # type: ignore[no-untyped-call]
    assert y.grad is not None
    assert torch.isfinite(values).all()
    assert torch.isfinite(y.grad).all()
    np.testing.assert_allclose(values.detach().numpy(), f_star(divergence, y.detach().numpy()), rtol=1e-4, atol=1e-6)
