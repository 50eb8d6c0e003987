"""The length of unions of intervals against an enumeration, and the distance that they make."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from baselines._iqe import GROUP, interval_unions, iqe
from tests.conftest import Array, numeric_gradient
from tests.reference.gradients import CLOSE


def union(x: Array, y: Array) -> float:
    """Of the intervals ``[x_i, max(x_i, y_i)]``: each cell between two neighbouring ends counts if one covers it."""
    points = sorted({*x, *y})
    intervals = [(a, max(a, b)) for a, b in zip(x, y, strict=True)]
    cells = itertools.pairwise(points)
    return float(sum(right - left for left, right in cells if any(a <= left and right <= b for a, b in intervals)))


def distance(x: Array, y: Array, share: float) -> float:
    groups = len(x) // GROUP
    lengths = [union(x[group::groups], y[group::groups]) for group in range(groups)]
    return share * float(np.mean(lengths)) + (1 - share) * max(lengths)


def lengths(x: list[float], y: list[float]) -> float:
    """Of one group, filled up with empty intervals."""
    pad = [0.0] * (GROUP - len(x))
    columns = [torch.tensor([*values, *pad])[:, None] for values in (x, y)]
    return float(interval_unions(*columns))


def test_unions_by_hand() -> None:
    assert lengths([0.0, 2.0], [1.0, 5.0]) == 4.0  # [0, 1] and [2, 5]
    assert lengths([0.0, 2.0], [3.0, 5.0]) == 5.0  # they overlap
    assert lengths([0.0, 1.0], [4.0, 2.0]) == 4.0  # one lies in the other
    assert lengths([3.0, 2.0], [1.0, 2.5]) == 0.5  # the first is empty
    assert lengths([0.0, 1.0, 2.0], [1.0, 2.0, 3.0]) == 3.0  # end to end
    assert lengths([1.0] * GROUP, [2.0] * GROUP) == 1.0
    assert lengths([1.0] * GROUP, [1.0] * GROUP) == 0.0


@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0])
def test_unions_and_their_gradients(spread: float) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(0, 1, (60, GROUP)), random.normal(0.3, spread, (60, GROUP))
    leaves = [torch.tensor(array.T, requires_grad=True) for array in (x, y)]
    got = interval_unions(*leaves)
    expected = [union(*pair) for pair in zip(x, y, strict=True)]
    np.testing.assert_allclose(got.detach().numpy(), expected, rtol=1e-12, atol=1e-12)
    for place, gradient in enumerate(torch.autograd.grad(got.sum(), leaves)):

        def varied(values: Array, place: int = place) -> float:
            return union(*(values if i == place else array[7] for i, array in enumerate((x, y))))

        numeric = numeric_gradient(varied, (x, y)[place][7])
        np.testing.assert_allclose(gradient[:, 7].numpy(), numeric, rtol=CLOSE, atol=1e-7)


def test_the_distance_mixes_mean_and_maximum() -> None:
    random = np.random.default_rng(1)
    x, y = random.normal(size=(2, 5, 3 * GROUP)), random.normal(size=(2, 5, 3 * GROUP))
    shares = (0.3, 0.8)
    got = iqe(torch.tensor(x), torch.tensor(y), torch.tensor(shares, dtype=torch.float64)[:, None])
    expected = [[distance(x[m, b], y[m, b], shares[m]) for b in range(5)] for m in range(2)]
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12)


def test_it_is_a_quasimetric() -> None:
    """In float32: exactly 0 from a point to itself, not symmetric, and never longer than a way round."""
    x, y, z = torch.randn(3, 2, 500, 4 * GROUP, generator=torch.Generator().manual_seed(0))
    share = torch.tensor([[0.5], [0.9]])
    assert not iqe(x, x, share).any()
    there, back = iqe(x, y, share), iqe(y, x, share)
    assert (there > 0).all()
    assert (there - back).abs().max() > 0.5
    assert (iqe(x, z, share) <= there + iqe(y, z, share) + 1e-5).all()
