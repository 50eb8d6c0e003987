"""Figures: what is drawn is what was measured. Two seeds make intervals that can be worked out by hand: their bootstrap
means are either value (a chance of 1/4 each) or halfway, so the interval's ends are the values themselves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from analysis import figures
from analysis.asked import Asked
from analysis.plots import comparison, lines, style
from analysis.plots.points import NothingToDrawError, line, mean_interval
from smore_sweep import record
from smore_sweep.outcomes import METRICS, Outcomes
from smore_sweep.plan import load_sweep
from smore_sweep.record import Record

NUMBERS = itertools.count()
Draw = Callable[[pd.DataFrame, str, np.random.Generator], Figure]
Values = list[float | str]
"""A return for each finished seed; for the others how they stand."""


def runs(
    values: Values, label: str = "SMORe", task: str = "FetchReach", share: float = 0.1, **rest: object
) -> pd.DataFrame:
    """One row a seed, as :func:`analysis.results.load` gives them."""
    rows = []
    for seed, value in enumerate(values):
        done = not isinstance(value, str)
        row = {
            "run_id": f"run{next(NUMBERS)}",
            "method": label.split(" ")[0],
            "label": label,
            "task": task,
            "expert_share": share,
            "seed": seed,
            "scale": "laptop",
            "source": "generated",
            "status": "done" if done else value,
            "dataset": "d",
            "git": "abc" if done else "",
            **dict.fromkeys(METRICS, value if done else math.nan),
            "updates": 2_500,
            "batch_size": 256,
            "episodes": 500,
            "final_episodes": 20,
            "unnamed": "hidden=128",
        }
        rows.append(row | rest)
    return pd.DataFrame(rows)


def frame(*parts: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True)


def curve(values: Values, updates: list[int], **of: str) -> pd.DataFrame:
    """Evaluations of one run: its returns at these updates. A run without any has one row without an update."""
    rows = [runs([value], **of).assign(run_id="") for value in values]  # type: ignore[arg-type]
    whole = frame(*rows).assign(run_id=f"run{next(NUMBERS)}")
    whole["update"] = np.array(updates, dtype=float) if updates else math.nan
    return whole


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def drawn_line(panel: Axes, name: str) -> tuple[list[float], list[float]]:
    """x and y of the method's own line in a panel, found by its colour."""
    colour = style.looks([name])[name].colour
    (found,) = [one for one in panel.lines if one.get_color() == colour and one.get_linestyle() != ":"]
    x, y = np.asarray(found.get_data(), dtype=float).tolist()
    return x, y


def published_line(panel: Axes, name: str) -> list[tuple[float, float]]:
    colour = style.looks([name])[name].colour
    found = [one for one in panel.lines if one.get_color() == colour and one.get_linestyle() == ":"]
    return [(float(x), float(y)) for one in found for x, y in np.asarray(one.get_xydata())]


def band(panel: Axes, name: str) -> dict[float, tuple[float, float]]:
    """The ends of the shaded interval at each x."""
    colour = to_rgb(style.looks([name])[name].colour)
    (found,) = [one for one in panel.collections if tuple(one.get_facecolor()[0][:3]) == colour]  # type: ignore[index]
    at: dict[float, list[float]] = {}
    for x, y in np.asarray(found.get_paths()[0].vertices, dtype=float).tolist():
        at.setdefault(x, []).append(y)
    return {x: (min(ys), max(ys)) for x, ys in at.items()}


def footer(figure: Figure) -> str:
    """The small print, its line breaks undone."""
    return " ".join(str(figure.get_supxlabel()).split())


# Means and intervals


def test_interval_of_two_seeds_worked_by_hand() -> None:
    mean, low, high = mean_interval([np.array([[1.0, 10.0], [3.0, 30.0]])], rng=rng())
    assert mean.tolist() == [2.0, 20.0]
    assert low.tolist() == [1.0, 10.0]
    assert high.tolist() == [3.0, 30.0]


def test_groups_are_resampled_apart_and_weigh_the_same() -> None:
    """Both at their lowest is one of 16 cases, more than the 2.5% that are cut off."""
    three_equal = np.array([[6.0], [6.0], [6.0]])
    mean, low, high = mean_interval([np.array([[0.0], [2.0]]), np.array([[10.0], [20.0]]), three_equal], rng=rng())
    assert mean[0] == pytest.approx((1 + 15 + 6) / 3)
    assert low[0] == pytest.approx((0 + 10 + 6) / 3)
    assert high[0] == pytest.approx((2 + 20 + 6) / 3)


def test_interval_of_many_seeds_is_that_of_normal_values() -> None:
    values = rng().normal(size=(400, 1))
    mean, low, high = mean_interval([values], rng=rng())
    half = 1.96 * values.std() / 20
    assert [mean[0] - low[0], high[0] - mean[0]] == pytest.approx([half, half], rel=0.08)


def test_one_seed_has_no_interval() -> None:
    mean, low, high = mean_interval([np.array([[5.0]]), np.array([[1.0], [2.0]])], rng=rng())
    assert mean[0] == pytest.approx(3.25)
    assert math.isnan(low[0])
    assert math.isnan(high[0])


def test_line_is_sorted_and_leaves_out_what_has_no_value() -> None:
    means = line(frame(runs([4.0, "missing", 6.0], knob=2.0), runs([1.0, 3.0], knob=1.0)), "knob", "return99", rng())
    assert means.x.tolist() == [1.0, 2.0]
    assert means.mean.tolist() == [2.0, 5.0]
    assert means.low.tolist() == [1.0, 4.0]
    assert means.high.tolist() == [3.0, 6.0]


# Figures of lines


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


# Figures that compare


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
    made = frame(runs([0.1, 0.1]), runs([0.2, 0.2], "GoFAR"), runs([0.3, "diverged"], "AM"))
    assert shown_chance(made, "final_distance", 0, 1) == 1.0
    assert shown_chance(frame(runs([1.0, 1.0]), runs([2.0, "diverged"], "AM")), "return99", 0, 1) == 0.5


def shown_chance(made: pd.DataFrame, metric: str, row: int, column: int) -> float:
    image = comparison.improvement(made, metric, rng()).axes[0].images[0]
    return float(np.ma.asarray(image.get_array())[row, column])


def test_only_tasks_that_all_methods_have_are_compared() -> None:
    made = frame(runs([3.0]), runs([1.0], "GoFAR"), runs([0.0], task="Reacher"))
    figure = comparison.improvement(made, "return99", rng())
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


# What figures have in common


@pytest.mark.parametrize("draw", [lines.coverage, lines.noise, lines.learning_curves, comparison.profiles])
def test_without_a_finished_run_there_is_no_figure(draw: Draw) -> None:
    made = frame(*(runs(["missing", "partial"], share=share, update=math.nan) for share in (0.1, 0.05)))
    with pytest.raises(NothingToDrawError, match="no finished run"):
        draw(made, "return99", rng())


def test_small_print_states_scale_seeds_and_data() -> None:
    parts = [runs([1.0], str(label)) for label in "ABCDEF"]
    gaps = [runs([2.0, "missing"], f"gap{number}") for number in range(6)]
    text = footer(comparison.profiles(frame(*parts, *gaps, runs(["partial"], "late")), "return99", rng()))
    assert "Scale laptop: 1 to 2 seeds (0 to 1), 2,500 updates, generated data, revision abc." in text
    assert "Nothing finished of: late." in text
    assert "gap3 on FetchReach at 10%, 1 of 2 seeds (1 missing); and 2 more." in text


def test_scales_are_not_mixed() -> None:
    with pytest.raises(ValueError, match="one scale"):
        figures.draw("profiles", frame(runs([1.0]), runs([1.0], scale="paper")), "return99")


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
    found = style.looks(["SMORe", "Mine", "Yours"])
    assert found["SMORe"] == style.LOOKS["SMORe"]
    assert [found["Mine"], found["Yours"]] == list(style.SPARE[:2])


# From a results folder to files


def finish(results: Path, sweep: str, scale: str, count: int) -> None:
    """Write records of the first runs of a sweep."""
    for number, planned in enumerate(load_sweep(sweep).expand(scale)[:count]):
        reached = np.arange(50)[None, :] >= 10 + number
        outcomes = Outcomes(reached, reached, np.where(reached, 0.01, 0.2).astype(np.float32))
        done = Record(planned.content(), record.DONE, planned.budget.updates, facts={"git": "abc"})
        done.evaluations = {20: outcomes, planned.budget.updates: outcomes}
        record.save(results, planned.run_id, done)


def test_figures_are_written_in_both_formats_and_always_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(tmp_path, "noise", "smoke", 15)  # the first of all methods without noise, and one with
    for folder in ("a", "b"):
        chosen = ["--results", str(tmp_path), "--output", str(tmp_path / folder), "--figure", "noise", "beta"]
        assert figures.main(chosen) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[:2] == [f"{tmp_path}/a/noise_smoke.pdf", f"{tmp_path}/a/noise_smoke.png"]
    assert said.err.splitlines()[0] == (
        "beta: finished runs at fewer than 2 points of the axis (smoke), no finished run (laptop, paper) "
        f"in {tmp_path}; run: make sweep SWEEP=mixture_ratio"
    )
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["noise_smoke.pdf", "noise_smoke.png"]
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_wrong_requests_name_the_valid_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for option, valid in (("--figure", "improvement"), ("--metric", "success"), ("--scale", "laptop")):
        assert figures.main([option, "nonsense", "--results", str(tmp_path)]) == 2
        assert valid in capsys.readouterr().err
    assert figures.main(["--figure", "noise", "--results", str(tmp_path)]) == 1


def test_frames_know_the_knob_and_count_a_run_once(tmp_path: Path) -> None:
    finish(tmp_path, "her_ratio", "smoke", 1)
    her = figures.gather("her", "smoke", Asked(tmp_path))
    assert set(her["value"].dropna()) == {0.0, 0.2, 0.5, 0.8, 1.0}
    assert her.loc[her["value"].isna(), "method"].unique().tolist() == ["GoFAR"]
    assert (her["status"] == "done").sum() == 1

    coverage = figures.gather("coverage", "smoke", Asked(tmp_path))
    assert coverage["run_id"].is_unique
    assert set(coverage.loc[coverage["task"] == "Reacher", "expert_share"]) == {0.1, 0.05, 0.025, 0.01}


def test_learning_curves_keep_every_evaluation_and_every_gap(tmp_path: Path) -> None:
    finish(tmp_path, "main", "smoke", 2)
    curves = figures.gather("learning_curves", "smoke", Asked(tmp_path))
    assert curves.loc[curves["status"] == "done", "update"].tolist() == [20, 40, 20, 40]
    assert curves["run_id"].nunique() == len(load_sweep("main").expand("smoke"))


def test_a_figure_whose_sweep_lacks_the_scale_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--results", str(tmp_path), "--output", str(tmp_path), "--figure", "learning_rate", "her"]
    assert figures.main([*command, "--scale", "paper"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "learning_rate: its sweep has no scale 'paper'"
    assert said[1].startswith("her: no finished run")
    assert figures.main(command) == 1
    assert capsys.readouterr().err.count("no finished run") == 2
