"""Line figures show the measured values.

Two seeds make intervals that can be worked out by hand: their bootstrap means are either value (chance 1/4 each) or
halfway, so the interval's ends are the values themselves.
"""

from __future__ import annotations

import math

from analysis.plots import lines
from analysis.plots.points import line
from tests.unit.analysis.plots.drawn import band, curve, drawn_line, footer, frame, published_line, rng, runs


def test_line_is_sorted_and_leaves_out_what_has_no_value() -> None:
    means = line(frame(runs([4.0, "missing", 6.0], knob=2.0), runs([1.0, 3.0], knob=1.0)), "knob", "return99", rng())
    assert means.x.tolist() == [1.0, 2.0]
    assert means.mean.tolist() == [2.0, 5.0]
    assert means.low.tolist() == [1.0, 4.0]
    assert means.high.tolist() == [3.0, 6.0]


def test_coverage() -> None:
    figure = lines.coverage(
        frame(
            runs([30.0, 32.0], share=0.1),
            runs([20.0, 24.0, "diverged"], share=0.01),
            runs([10.0, 14.0], "GoFAR", share=0.1),
            runs([8.0], "GoFAR", share=0.01),
            runs([1.0, 2.0], "AM", share=0.01),
            runs([50.0], task="CheetahTgtVel-m-e", share=30 / 1_030),  # one share: no panel
        ),
        "return99",
        rng(),
    )
    (panel,) = figure.axes
    assert panel.get_title() == "FetchReach"
    assert panel.get_xscale() == "log"
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["1", "10"]
    assert drawn_line(panel, "SMORe") == ([1.0, 10.0], [22.0, 31.0])
    assert band(panel, "SMORe") == {1.0: (20.0, 24.0), 10.0: (30.0, 32.0)}
    assert drawn_line(panel, "GoFAR") == ([1.0, 10.0], [8.0, 12.0])
    assert published_line(panel, "SMORe") == [(1.0, 35.97), (10.0, 35.08)]  # Tables 2 and 1
    assert published_line(panel, "AM") == []
    assert "SMORe on FetchReach at 1%, 2 of 3 seeds (1 diverged)" in footer(figure)
    assert "Cheetah" not in footer(figure)


def test_noise_is_in_the_tasks_names() -> None:
    names = ("FetchReachNoise1.5", "FetchReach", "FetchReachNoise0.5")
    parts = [runs([value, value + 2], task=task) for task, value in zip(names, (10.0, 30.0, 20.0), strict=True)]
    (panel,) = lines.noise(frame(*parts), "return99", rng()).axes
    assert drawn_line(panel, "SMORe") == ([0.0, 0.5, 1.5], [31.0, 21.0, 11.0])
    assert panel.get_xticks().tolist() == [0.0, 0.5, 1.5]


def test_learning_curves_count_seeds_as_far_as_they_go() -> None:
    figure = lines.learning_curves(
        frame(
            curve([1.0, 10.0, 20.0], [500, 1000, 1500]),
            curve([3.0, 14.0], [500, 1000]).assign(status="partial"),
            curve([9.0], [500]).assign(status="diverged"),
            curve(["missing"], []),
            curve([5.0], [500], label="GoFAR", task="Reacher"),
        ),
        "return99",
        rng(),
    )
    reach, reacher = figure.axes
    assert (reach.get_title(), reacher.get_title()) == ("FetchReach", "Reacher")
    assert drawn_line(reach, "SMORe") == ([500.0, 1000.0, 1500.0], [2.0, 12.0, 20.0])
    assert {x: band(reach, "SMORe")[x] for x in (500.0, 1000.0)} == {500.0: (1.0, 3.0), 1000.0: (10.0, 14.0)}
    assert drawn_line(reacher, "GoFAR") == ([500.0], [5.0])
    assert "SMORe on FetchReach at 10%, 1 of 4 seeds (1 diverged, 1 partial, 1 missing)" in footer(figure)


def test_learning_curves_of_several_shares_have_a_panel_each() -> None:
    parts = [
        curve([1.0], [500], task=task).assign(expert_share=s)
        for task in ("FetchReach", "Reacher")
        for s in (0.05, 0.01)
    ]
    figure = lines.learning_curves(frame(*parts), "return99", rng())
    titles = [panel.get_title() for panel in figure.axes]
    assert titles == ["FetchReach, 5%", "FetchReach, 1%", "Reacher, 5%", "Reacher, 1%"]


def test_sensitivity_draws_a_method_without_the_knob_as_a_level() -> None:
    figure = lines.sensitivity(
        frame(
            runs([30.0, 34.0], value=0.5),
            runs([20.0, 22.0], "SMORe beta=0.7", value=0.7),
            runs([10.0, 14.0], "GoFAR", value=math.nan),
            runs(["missing"], task="FetchPush", value=0.5),
            runs(["missing"], "AM", value=0.5),
            runs(["missing"], "AM beta=0.7", value=0.7),
            runs(["missing"], "SMORe beta=0.9", value=0.9),
        ),
        "return99",
        rng(),
        label="β",
        published="9",
    )
    (panel,) = figure.axes
    assert drawn_line(panel, "SMORe") == ([0.5, 0.7], [32.0, 21.0])
    assert drawn_line(panel, "GoFAR")[1] == [12.0, 12.0]
    assert published_line(panel, "SMORe") == [(0.5, 35.08), (0.7, 36.57)]  # Table 9
    assert "Nothing finished of: AM; SMORe beta=0.9; FetchPush." in footer(figure)
