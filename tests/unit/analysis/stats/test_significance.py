"""Statistics of seeds: against hand-worked cases and against SciPy."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from scipy.stats import PermutationMethod, mannwhitneyu

from analysis.stats import significance


def test_separated_samples_reach_the_smallest_p() -> None:
    assert significance.mann_whitney([4, 5, 6], [1, 2, 3]) == pytest.approx(0.1)  # 2 of the 20 splits are as extreme
    assert significance.mann_whitney([1, 2, 3, 4], [5, 6, 7, 8]) == pytest.approx(2 / 70)
    assert significance.mann_whitney([1], [2]) == 1.0


def test_one_inversion_worked_by_hand() -> None:
    # Ranks of the first are 1, 2, 4: sum 7. Splits with a sum of at most 7: {1,2,3} and {1,2,4}, so p = 2 * 2 / 20.
    assert significance.mann_whitney([1, 2, 4], [3, 5, 6]) == pytest.approx(0.2)


def test_ties_worked_by_hand() -> None:
    # Ranks 1, 2.5 against 2.5, 4. Of the 6 splits, the sums are 3.5, 3.5, 5, 5, 6.5, 6.5: two are at most 3.5.
    assert significance.mann_whitney([1, 2], [2, 3]) == pytest.approx(2 * 2 / 6)
    assert significance.mann_whitney([7, 7, 7], [7, 7, 7]) == 1.0


@pytest.mark.parametrize("sizes", [(3, 3), (2, 6), (5, 4), (10, 10)])
def test_without_ties_equals_scipy_exact(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(sizes)
    for shift in (0.0, 1.0, 3.0):
        first, second = rng.normal(size=sizes[0]), rng.normal(shift, size=sizes[1])
        expected = mannwhitneyu(first, second, method="exact").pvalue
        assert significance.mann_whitney(list(first), list(second)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("sizes", [(3, 3), (2, 6), (5, 4), (5, 5)])
def test_with_ties_equals_scipy_over_all_splits(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(sizes)
    for shift in (0, 1, 3):
        first, second = rng.integers(0, 4, sizes[0]), shift + rng.integers(0, 4, sizes[1])
        expected = mannwhitneyu(first, second, method=PermutationMethod(n_resamples=10_000)).pvalue
        assert significance.mann_whitney(list(first), list(second)) == pytest.approx(expected, abs=1e-12)


def test_order_and_scale_do_not_matter() -> None:
    first, second = [1.0, 3.0, 3.0, 9.0], [2.0, 3.0, 8.0]
    p = significance.mann_whitney(first, second)
    assert significance.mann_whitney(second, first) == p
    assert significance.mann_whitney(first[::-1], second) == p
    assert significance.mann_whitney([-100 * x for x in first], [-100 * x for x in second]) == p


def test_infinite_values_rank_last() -> None:
    assert significance.mann_whitney([1, 2, -math.inf], [3, 4, 5]) == pytest.approx(0.1)
    assert significance.mann_whitney([-math.inf] * 3, [3, 4, 5]) == pytest.approx(0.1)


def test_ten_against_ten_with_ties_is_fast() -> None:
    rng = np.random.default_rng(0)
    first, second = list(rng.integers(0, 5, 10)), list(rng.integers(0, 5, 10))
    begin = time.process_time()
    for _ in range(10):
        significance.mann_whitney(first, second)
    assert (time.process_time() - begin) / 10 < 0.05


def test_probability_of_improvement() -> None:
    assert significance.probability_of_improvement([2, 3], [1, 2]) == pytest.approx(3.5 / 4)
    assert significance.probability_of_improvement([1], [1]) == 0.5


@pytest.mark.parametrize(
    ("n", "m", "expected"), [(1, 1, 1.0), (1, 2, 2 / 3), (3, 3, 0.1), (4, 4, 2 / 70), (5, 5, 2 / 252)]
)
def test_smallest_p(n: int, m: int, expected: float) -> None:
    assert significance.smallest_p(n, m) == pytest.approx(expected)
    assert significance.mann_whitney(range(n), range(n, n + m)) == pytest.approx(expected)


def test_a_mark_knows_what_a_correction_leaves_within_reach() -> None:
    assert significance.mark(0.04, reach=0.02) == "*"
    assert significance.mark(0.06, reach=0.02) == ""
    assert significance.mark(0.06, reach=0.05) == "†"
    assert significance.mark(0.05, reach=0.02) == ""
    assert significance.mark(2 / 70, significance.smallest_p(4, 4)) == "*"
    assert significance.mark(0.1, significance.smallest_p(3, 3)) == "†"
    with pytest.raises(ValueError, match="NaN"):
        significance.mark(math.nan, reach=0.02)


def test_improvement_equals_rliables_formula() -> None:
    """rliable's: U / (n m) per task, U of SciPy's Mann-Whitney test, averaged over tasks (here of one)."""
    rng = np.random.default_rng(0)
    for n, m in ((5, 5), (10, 3), (2, 7)):
        x, y = rng.integers(0, 4, n).astype(float), rng.integers(0, 4, m).astype(float)
        expected = mannwhitneyu(x, y, alternative="greater").statistic / (n * m)
        assert significance.probability_of_improvement(x, y) == pytest.approx(expected)


# Holm


def test_holm_worked_by_hand() -> None:
    # Holm's steps: 0.005 * 4, 0.01 * 3 -> 0.03, 0.03 * 2 -> 0.06, and 0.04 * 1 raised to the 0.06 before it.
    assert significance.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert significance.holm([0.02, 0.02, 0.02]) == pytest.approx([0.06, 0.06, 0.06])
    assert significance.holm([0.5, 0.9]) == [1.0, 1.0]
    assert significance.holm([0.04]) == [0.04]
    assert significance.holm([]) == []


def test_holm_rejects_what_the_step_down_procedure_rejects() -> None:
    rng = np.random.default_rng(9)
    for _ in range(100):
        ps = list(rng.uniform(0, 0.1, size=rng.integers(1, 8)))
        rejected: set[int] = set()
        for step, index in enumerate(np.argsort(ps)):
            if ps[index] > 0.05 / (len(ps) - step):
                break
            rejected.add(int(index))
        assert {index for index, p in enumerate(significance.holm(ps)) if p <= 0.05} == rejected


def test_summary_is_of_the_sample() -> None:
    assert significance.summary([1, 2, 3, 4]) == pytest.approx((2.5, math.sqrt(5 / 3), 4))
    mean, std, n = significance.summary([7])
    assert (mean, n) == (7.0, 1)
    assert math.isnan(std)


@pytest.mark.parametrize("wrong", [[], [1.0, math.nan]])
def test_empty_and_nan_are_refused(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match="values"):
        significance.summary(wrong)
    with pytest.raises(ValueError, match="first"):
        significance.mann_whitney(wrong, [1.0])
    with pytest.raises(ValueError, match="second"):
        significance.mann_whitney([1.0], wrong)


def test_senseless_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="infinite"):
        significance.summary([math.inf])
    with pytest.raises(ValueError, match="at least one seed"):
        significance.smallest_p(0, 3)
    for wrong in ([0.5, math.nan], [1.5], [-0.1]):
        with pytest.raises(ValueError, match="probabilities"):
            significance.holm(wrong)
