"""Axes on which differences show."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from analysis.plots import scales


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        ([0.5, 0.7, 0.9], "linear"),
        ([0.1, 1.0], "linear"),
        ([0.0003, 0.001, 0.003], "log"),
        ([0.0, 0.001, 0.01, 1.0], "even"),
        ([0.0, 0.5, 1.0], "linear"),
    ],
)
def test_spacing_follows_the_values(values: list[float], chosen: str) -> None:
    assert scales.spacing(values) == chosen


def test_limits_start_at_zero_unless_that_hides_the_differences() -> None:
    assert scales.limits(2.0, 30.0) == pytest.approx((0.0, 31.5))
    assert scales.limits(36.0, 38.0) == pytest.approx((35.9, 38.1))
    low, high = scales.limits(5.0, 5.0)
    assert low < 5.0 < high
    assert scales.limits(0.0, 0.0) == (0.0, 1.0)
    assert scales.limits(float("inf"), float("-inf")) == (0.0, 1.0)


def test_texts_of_ticks_do_not_overlap() -> None:
    panel = Figure(figsize=(2, 2)).subplots()
    panel.plot([0, 1], [0, 1])
    scales.set_ticks(panel, {number / 20: f"{number / 20:g}" for number in range(21)}, 1.5, log=False, named=False)
    assert len(panel.get_xticks()) == 21
    texts = [tick.get_text() for tick in panel.get_xticklabels()]
    assert 3 <= sum(map(bool, texts)) <= 12
    assert texts[0] == "0"


def test_every_name_is_shown_upright_where_they_do_not_fit_side_by_side() -> None:
    names = {float(number): name for number, name in enumerate(("drawer", "pick-place", "push-open", "open", "close"))}

    def ticks(inches: float) -> list[tuple[str, float]]:
        panel = Figure(figsize=(2, 2)).subplots()
        panel.plot([0, 4], [0, 1])
        scales.set_ticks(panel, names, inches, log=False, named=True)
        return [(tick.get_text(), tick.get_rotation()) for tick in panel.get_xticklabels()]

    assert ticks(6.0) == [(name, 0.0) for name in names.values()]
    assert ticks(1.5) == [(name, 90.0) for name in names.values()]
