"""Statistics of seeds: against hand-worked cases and against SciPy."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from scipy.stats import PermutationMethod, mannwhitneyu

from analysis import stats


def test_separated_samples_reach_the_smallest_p() -> None:
    assert stats.mann_whitney([4, 5, 6], [1, 2, 3]) == pytest.approx(0.1)  # 2 of the 20 splits are as extreme
    assert stats.mann_whitney([1, 2, 3, 4], [5, 6, 7, 8]) == pytest.approx(2 / 70)
    assert stats.mann_whitney([1], [2]) == 1.0


def test_one_inversion_worked_by_hand() -> None:
    # Ranks of the first are 1, 2, 4: sum 7. Splits with a sum of at most 7: {1,2,3} and {1,2,4}, so p = 2 * 2 / 20.
    assert stats.mann_whitney([1, 2, 4], [3, 5, 6]) == pytest.approx(0.2)


def test_ties_worked_by_hand() -> None:
    # Ranks 1, 2.5 against 2.5, 4. Of the 6 splits, the sums are 3.5, 3.5, 5, 5, 6.5, 6.5: two are at most 3.5.
    assert stats.mann_whitney([1, 2], [2, 3]) == pytest.approx(2 * 2 / 6)
    assert stats.mann_whitney([7, 7, 7], [7, 7, 7]) == 1.0


@pytest.mark.parametrize("sizes", [(3, 3), (2, 6), (5, 4), (10, 10)])
def test_without_ties_equals_scipy_exact(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(sizes)
    for shift in (0.0, 1.0, 3.0):
        first, second = rng.normal(size=sizes[0]), rng.normal(shift, size=sizes[1])
        expected = mannwhitneyu(first, second, method="exact").pvalue
        assert stats.mann_whitney(list(first), list(second)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("sizes", [(3, 3), (2, 6), (5, 4), (5, 5)])
def test_with_ties_equals_scipy_over_all_splits(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(sizes)
    for shift in (0, 1, 3):
        first, second = rng.integers(0, 4, sizes[0]), shift + rng.integers(0, 4, sizes[1])
        expected = mannwhitneyu(first, second, method=PermutationMethod(n_resamples=10_000)).pvalue
        assert stats.mann_whitney(list(first), list(second)) == pytest.approx(expected, abs=1e-12)


def test_order_and_scale_do_not_matter() -> None:
    first, second = [1.0, 3.0, 3.0, 9.0], [2.0, 3.0, 8.0]
    p = stats.mann_whitney(first, second)
    assert stats.mann_whitney(second, first) == p
    assert stats.mann_whitney(first[::-1], second) == p
    assert stats.mann_whitney([-100 * x for x in first], [-100 * x for x in second]) == p


def test_infinite_values_rank_last() -> None:
    assert stats.mann_whitney([1, 2, -math.inf], [3, 4, 5]) == pytest.approx(0.1)
    assert stats.mann_whitney([-math.inf] * 3, [3, 4, 5]) == pytest.approx(0.1)


def test_ten_against_ten_with_ties_is_fast() -> None:
    rng = np.random.default_rng(0)
    first, second = list(rng.integers(0, 5, 10)), list(rng.integers(0, 5, 10))
    begin = time.perf_counter()
    for _ in range(10):
        stats.mann_whitney(first, second)
    assert (time.perf_counter() - begin) / 10 < 0.05


def test_probability_of_improvement() -> None:
    assert stats.probability_of_improvement([2, 3], [1, 2]) == pytest.approx(3.5 / 4)
    assert stats.probability_of_improvement([1], [1]) == 0.5


@pytest.mark.parametrize(
    ("n", "m", "expected"), [(1, 1, 1.0), (1, 2, 2 / 3), (3, 3, 0.1), (4, 4, 2 / 70), (5, 5, 2 / 252)]
)
def test_smallest_p(n: int, m: int, expected: float) -> None:
    assert stats.smallest_p(n, m) == pytest.approx(expected)
    assert stats.mann_whitney(range(n), range(n, n + m)) == pytest.approx(expected)


def test_star() -> None:
    assert stats.star(2 / 70, 4, 4) == "*"
    assert stats.star(0.05, 5, 5) == ""
    assert stats.star(0.3, 5, 5) == ""
    assert stats.star(0.1, 3, 3) == "†"
    assert stats.star(1.0, 3, 3) == "†"
    assert stats.star(2 / 70, 4, 4, level=0.01) == "†"
    assert stats.star(0.1, 3, 3, level=0.2) == "*"


def test_summary_is_of_the_sample() -> None:
    assert stats.summary([1, 2, 3, 4]) == pytest.approx((2.5, math.sqrt(5 / 3), 4))
    mean, std, n = stats.summary([7])
    assert (mean, n) == (7.0, 1)
    assert math.isnan(std)


@pytest.mark.parametrize("wrong", [[], [1.0, math.nan]])
def test_empty_and_nan_are_refused(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match="values"):
        stats.summary(wrong)
    with pytest.raises(ValueError, match="first"):
        stats.mann_whitney(wrong, [1.0])
    with pytest.raises(ValueError, match="second"):
        stats.mann_whitney([1.0], wrong)


def test_senseless_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="infinite"):
        stats.summary([math.inf])
    with pytest.raises(ValueError, match="at least one seed"):
        stats.smallest_p(0, 3)
    with pytest.raises(ValueError, match="NaN"):
        stats.star(math.nan, 3, 3)
