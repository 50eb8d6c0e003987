"""Figures that compare methods, and what all figures have in common."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from analysis.plots import comparison, lines, style
from analysis.plots.points import NothingToDrawError
from analysis.plots.registry import FIGURES, draw
from smore_sweep.discovery import load_sweep
from tests.unit.analysis.plots.drawn import band, drawn_line, footer, frame, rng, runs

Draw = Callable[[pd.DataFrame, str, np.random.Generator], Figure]


def test_improvement_worked_by_hand() -> None:
    """SMORe is ahead of GoFAR in 3 of 4 pairs on the one task and in all on the other; AM has no seed on the other."""
    figure = comparison.improvement(
        frame(
            runs([3.0, 1.0]),
            runs([2.0, 0.0], "GoFAR"),
            runs([5.0, 6.0], task="Reacher"),
            runs([1.0, 2.0], "GoFAR", task="Reacher"),
            runs(["missing"], "AM", task="Reacher"),
        ),
        "return99",
        rng(),
    )
    (panel,) = figure.axes
    shown = np.asarray(panel.images[0].get_array())
    assert shown[0, 1] == pytest.approx((0.75 + 1.0) / 2)
    assert shown[1, 0] == pytest.approx(1 - (0.75 + 1.0) / 2)
    assert "1.00" not in {text.get_text() for text in panel.texts}  # nothing stands on the diagonal
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["SMORe", "GoFAR"]
    # On the first task a resample gives 0 at the lowest (1, 1 against 2, 2: one case of 16), on the second always 1.
    assert {text.get_text() for text in panel.texts} == {"0.88\n0.50–1.00", "0.12\n0.00–0.50"}
    assert "over FetchReach, Reacher," in footer(figure)


def test_an_interval_without_width_is_not_printed() -> None:
    figure = comparison.improvement(frame(runs([3.0, 4.0]), runs([1.0, 2.0], "GoFAR")), "return99", rng())
    assert {text.get_text() for text in figure.axes[0].texts} == {"1.00", "0.00"}


def test_lower_distances_and_seeds_that_did_not_diverge_are_ahead() -> None:
    compared = frame(runs([0.1, 0.1]), runs([0.2, 0.2], "GoFAR"), runs([0.3, "diverged"], "AM"))
    assert shown_chance(compared, "final_distance", 0, 1) == 1.0
    assert shown_chance(frame(runs([1.0, 1.0]), runs([2.0, "diverged"], "AM")), "return99", 0, 1) == 0.5


def shown_chance(compared: pd.DataFrame, metric: str, row: int, column: int) -> float:
    image = comparison.improvement(compared, metric, rng()).axes[0].images[0]
    return float(np.ma.asarray(image.get_array())[row, column])


@pytest.mark.parametrize("draw", [comparison.improvement, comparison.profiles])
def test_runs_from_before_a_metric_are_left_out(draw: Draw) -> None:
    measured = frame(runs([1.0, 1.0]), runs([0.5, 0.5], "GoFAR"))
    older = runs([1.0], "GoFAR").assign(ever=math.nan)
    elsewhere = frame(runs([1.0], task="Reacher"), runs([1.0], "GoFAR", task="Reacher")).assign(ever=math.nan)
    figure = draw(frame(measured, older, elsewhere), "ever", rng())
    assert "Left out, as recorded before this metric: 3 finished runs." in footer(figure)
    assert "before this metric" not in footer(draw(measured, "ever", rng()))
    with pytest.raises(NothingToDrawError, match="no finished run with the metric ever"):
        draw(older, "ever", rng())


def test_a_profile_is_of_the_runs_that_have_the_metric() -> None:
    older = runs([1.0], task="Reacher").assign(ever=math.nan)
    (panel,) = comparison.profiles(frame(runs([1.0, 1.0]), older), "ever", rng()).axes
    levels, share = drawn_line(panel, "SMORe")
    assert dict(zip(np.round(levels, 2).tolist(), share, strict=True))[0.5] == 1.0


def test_only_tasks_that_all_methods_have_are_compared() -> None:
    compared = frame(runs([3.0]), runs([1.0], "GoFAR"), runs([0.0], task="Reacher"))
    figure = comparison.improvement(compared, "return99", rng())
    assert "over FetchReach (1 more without a seed of every method are left out)" in footer(figure)
    with pytest.raises(NothingToDrawError, match="no task on which all methods"):
        comparison.improvement(frame(runs([3.0]), runs([1.0], "GoFAR", task="Reacher")), "return99", rng())
    with pytest.raises(NothingToDrawError, match="fewer than two methods"):
        comparison.improvement(runs([3.0]), "return99", rng())


def test_profiles_are_of_normalised_scores() -> None:
    half = 0.505 * comparison.ceiling("FetchReach", "return99")
    figure = comparison.profiles(frame(runs([half, 0.0, "diverged", half]), runs([half], "GoFAR")), "return99", rng())
    (panel,) = figure.axes
    levels, share = drawn_line(panel, "SMORe")
    at = dict(zip(np.round(levels, 2).tolist(), share, strict=True))
    assert at[0.0] == at[0.5] == 0.5  # a score of exactly nothing is not above it, nor is a diverged seed's
    assert at[0.51] == 0.0
    assert band(panel, "SMORe")[0.5] == (0.0, 1.0)
    assert "A diverged seed counts as the worst." in footer(figure)


def test_ceilings() -> None:
    assert comparison.ceiling("FetchReach", "return99") == pytest.approx(sum(0.99**k for k in range(50)))
    assert comparison.ceiling("CheetahTgtVel-m-e", "return999") == pytest.approx(sum(0.999**k for k in range(1000)))
    assert comparison.ceiling("FetchReach", "success") == 1.0
    with pytest.raises(NothingToDrawError, match="no ceiling"):
        comparison.profiles(runs([0.1]), "final_distance", rng())


@pytest.mark.parametrize("draw", [lines.coverage, lines.noise, lines.learning_curves, comparison.profiles])
def test_without_a_finished_run_there_is_no_figure(draw: Draw) -> None:
    compared = frame(*(runs(["missing", "partial"], share=share, update=math.nan) for share in (0.1, 0.05)))
    with pytest.raises(NothingToDrawError, match="no finished run"):
        draw(compared, "return99", rng())


def test_small_print_states_scale_seeds_and_data() -> None:
    parts = [runs([1.0], str(label)) for label in "ABCDEF"]
    gaps = [runs([2.0, "missing"], f"gap{number}") for number in range(6)]
    text = footer(comparison.profiles(frame(*parts, *gaps, runs(["partial"], "late")), "return99", rng()))
    assert "Scale laptop: 1 to 2 seeds (0 to 1), 2,500 updates, generated data, revision abc." in text
    assert "Nothing finished of: late." in text
    assert "gap3 on FetchReach at 10%, 1 of 2 seeds (1 missing); and 2 more." in text


def test_scales_are_not_mixed() -> None:
    with pytest.raises(ValueError, match="one scale"):
        draw(FIGURES["profiles"].draw, frame(runs([1.0]), runs([1.0], scale="paper")), "return99")


def test_every_method_looks_different_and_shows_on_white() -> None:
    names = {run.method.name for sweep in ("main", "tuning", "in_sample") for run in load_sweep(sweep).expand("smoke")}
    assert names <= style.LOOKS.keys()
    every = [*style.LOOKS.values(), *style.SPARE]
    for field in ("colour", "marker", "dashes"):
        assert len({getattr(look, field) for look in every}) == len(every)
    for first, second in itertools.combinations(every, 2):
        assert np.linalg.norm(np.subtract(to_rgb(first.colour), to_rgb(second.colour))) > 0.15
    assert all(np.dot(to_rgb(look.colour), (0.2126, 0.7152, 0.0722)) < 0.75 for look in every)


def test_an_unknown_method_gets_a_spare_look() -> None:
    looks = style.looks(["SMORe", "Mine", "Yours"])
    assert looks["SMORe"] == style.LOOKS["SMORe"]
    assert [looks["Mine"], looks["Yours"]] == list(style.SPARE[:2])
