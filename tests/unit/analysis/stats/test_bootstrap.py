"""Bootstrap intervals: against hand-worked cases and against SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap as scipy_bootstrap

from analysis.stats.bootstrap import mean_interval, stratified_interval


def mean_of_means(groups: list[NDArray[np.float64]]) -> float:
    return float(np.mean([group.mean() for group in groups]))


def test_an_interval_equals_scipys_percentile_bootstrap() -> None:
    values = np.random.default_rng(1).normal(size=12)
    rng = np.random.default_rng(2)
    low, high = stratified_interval(mean_of_means, [values], rng=rng, level=0.9, resamples=20_000)
    expected = scipy_bootstrap(
        (values,), np.mean, confidence_level=0.9, n_resamples=20_000, method="percentile", rng=np.random.default_rng(3)
    ).confidence_interval
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.02)


def test_seeds_are_resampled_within_their_group_as_rliable_does() -> None:
    """Resampled across groups, the mean would vary; within groups of equal values it cannot."""
    groups = [[0.0, 0.0, 0.0], [10.0, 10.0]]
    assert stratified_interval(mean_of_means, groups, rng=np.random.default_rng(0)) == (5.0, 5.0)

    def sizes(groups: list[NDArray[np.float64]]) -> float:
        assert [group.size for group in groups] == [3, 2]
        return float(groups[0].sum() + groups[1].sum())

    assert stratified_interval(sizes, groups, rng=np.random.default_rng(0)) == (20.0, 20.0)


def test_an_interval_of_two_seeds_worked_by_hand() -> None:
    # The mean of two draws of {0, 1} is 0, 0.5 or 1 with chances of 1/4, 1/2, 1/4.
    def interval(level: float) -> tuple[float, float]:
        return stratified_interval(mean_of_means, [[0.0, 1.0]], rng=np.random.default_rng(0), level=level)

    assert interval(0.95) == (0.0, 1.0)
    assert interval(0.3) == (0.5, 0.5)


def test_intervals_depend_on_the_generator_alone() -> None:
    groups = [np.random.default_rng(4).normal(size=6), np.random.default_rng(5).normal(size=4)]

    def interval(seed: int) -> tuple[float, float]:
        return stratified_interval(mean_of_means, groups, rng=np.random.default_rng(seed), resamples=200)

    assert interval(0) == interval(0) != interval(1)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """Of 200 draws of 3 groups of 20 seeds; a percentile bootstrap is a little too narrow."""
    rng = np.random.default_rng(6)
    covered = 0
    for _ in range(200):
        groups = [rng.normal(centre, 1.0, size=20) for centre in (0.0, 5.0, -3.0)]
        low, high = stratified_interval(mean_of_means, groups, rng=rng, resamples=200)
        covered += low <= 2.0 / 3.0 <= high
    assert 0.88 <= covered / 200 <= 0.99


@pytest.mark.parametrize("wrong", [[], [1.0, math.nan]])
def test_empty_and_nan_groups_are_refused(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match="group 1"):
        stratified_interval(mean_of_means, [[1.0], wrong], rng=np.random.default_rng(0))


def test_senseless_arguments_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="at least one group"):
        stratified_interval(mean_of_means, [], rng=rng)
    for level, resamples in ((1.0, 10), (0.0, 10), (0.95, 0)):
        with pytest.raises(ValueError, match="level"):
            stratified_interval(mean_of_means, [[1.0]], rng=rng, level=level, resamples=resamples)


# Means of several quantities at once


def test_a_mean_interval_of_two_seeds_worked_by_hand() -> None:
    mean, low, high = mean_interval([np.array([[1.0, 10.0], [3.0, 30.0]])], rng=np.random.default_rng(0))
    assert mean.tolist() == [2.0, 20.0]
    assert low.tolist() == [1.0, 10.0]
    assert high.tolist() == [3.0, 30.0]


def test_groups_are_resampled_apart_and_weigh_the_same() -> None:
    """Both at their lowest is one of 16 cases, more than the 2.5% that are cut off."""
    three_equal = np.array([[6.0], [6.0], [6.0]])
    mean, low, high = mean_interval(
        [np.array([[0.0], [2.0]]), np.array([[10.0], [20.0]]), three_equal], rng=np.random.default_rng(0)
    )
    assert mean[0] == pytest.approx((1 + 15 + 6) / 3)
    assert low[0] == pytest.approx((0 + 10 + 6) / 3)
    assert high[0] == pytest.approx((2 + 20 + 6) / 3)


def test_interval_of_many_seeds_is_that_of_normal_values() -> None:
    values = np.random.default_rng(0).normal(size=(400, 1))
    mean, low, high = mean_interval([values], rng=np.random.default_rng(0))
    half = 1.96 * values.std() / 20
    assert [mean[0] - low[0], high[0] - mean[0]] == pytest.approx([half, half], rel=0.08)


def test_one_seed_has_no_interval() -> None:
    mean, low, high = mean_interval([np.array([[5.0]]), np.array([[1.0], [2.0]])], rng=np.random.default_rng(0))
    assert mean[0] == pytest.approx(3.25)
    assert math.isnan(low[0])
    assert math.isnan(high[0])
