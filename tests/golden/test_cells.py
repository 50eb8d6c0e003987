"""Cells of a table, its tests, and its rank agreement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import pytest

from analysis.frames.cells import Cell, cells
from analysis.frames.rank_agreement import agreements
from analysis.paper.published import Printed
from analysis.rendering import latex, markdown
from analysis.rendering.layout import layout
from analysis.stats import significance
from tests.golden.made_up import TITLE, frame


def pair(of: pd.DataFrame, metric: str, task: str, share: float) -> list[Cell]:
    return [cell for cell in cells(of, metric) if (cell.task, cell.expert_share) == (task, share)]


def test_too_few_seeds_show_a_dagger_and_no_star() -> None:
    smore, gofar = pair(frame(), "return99", "FetchPush", 0.05)
    assert min(smore.values) > max(gofar.values)
    assert (smore.star, gofar.star) == ("†", "")
    assert smore.p == pytest.approx(0.1)


def test_the_star_stands_with_the_better() -> None:
    assert [cell.star for cell in pair(frame(), "return99", "Reacher", 0.05)] == ["*", ""]
    assert [cell.star for cell in pair(frame(), "return99", "FetchReach", 0.01)] == ["", "*"]


def test_success_is_best_high_and_distance_low() -> None:
    runs = frame()
    for metric in ("success", "final_distance"):
        for task, share in (("Reacher", 0.05), ("FetchReach", 0.01)):
            made = pair(runs, metric, task, share)
            (best,) = [cell for cell in made if cell.best]
            assert best.mean == (max if metric == "success" else min)(cell.mean for cell in made)
            assert best.star == "*"


def test_equal_means_are_both_best() -> None:
    smore, gofar = pair(frame(), "return99", "FetchReach", 0.025)
    assert smore.best
    assert gofar.best
    assert smore.p == 1.0


def test_seeds_from_before_a_metric_are_counted_apart() -> None:
    runs = frame()
    smore, _ = pair(runs, "success", "Reacher", 0.05)
    old = runs[(runs["label"] == "SMORe") & (runs["task"] == "Reacher") & (runs["expert_share"] == 0.05)].index
    runs.loc[old[:2], "success"] = math.nan
    part, _ = pair(runs, "success", "Reacher", 0.05)
    assert (part.values, part.gap) == (smore.values[2:], "3 of 5 seeds (2 recorded before this metric)")
    runs.loc[old, "success"] = math.nan
    none, other = pair(runs, "success", "Reacher", 0.05)
    assert none.gap == "0 of 5 seeds (5 recorded before this metric)"
    assert math.isnan(none.mean)
    assert math.isnan(other.p)


def test_unfinished_seeds_are_counted() -> None:
    _, gofar = pair(frame(), "return99", "Reacher", 0.025)
    assert gofar.gap == "3 of 5 seeds (1 diverged, 1 partial)"
    assert (gofar.seeds, gofar.tested) == (3, 4)
    smore, gofar = pair(frame(), "return99", "FetchPush", 0.01)
    assert gofar.gap == "0 of 3 seeds (3 missing)"
    assert math.isnan(gofar.mean)
    assert math.isnan(smore.p)
    assert not smore.best  # of one


def test_a_diverged_seed_ranks_last_whatever_the_metric() -> None:
    runs = frame()
    hit = (runs["task"] == "Reacher") & (runs["expert_share"] == 0.05) & (runs["method"] == "SMORe")
    runs.loc[hit, "status"] = "diverged"
    for metric in ("return99", "final_distance"):
        smore, gofar = pair(runs, metric, "Reacher", 0.05)
        assert (smore.star, gofar.star) == ("", "*")
        assert gofar.p == pytest.approx(2 / 252)


def methods(**seeds: Sequence[float]) -> pd.DataFrame:
    """Rows of one task with a return per seed and method; NaN for a seed that diverged."""
    rows = frame().iloc[:1].drop(columns=["method", "label", "seed", "status", "return99"])
    made = pd.DataFrame(
        {"method": name, "label": name, "seed": seed, "status": "diverged" if math.isnan(value) else "done"}
        | {"return99": value, "final_distance": 50.0 - value}
        for name, values in seeds.items()
        for seed, value in enumerate(values)
    )
    return made.merge(rows.drop(columns="final_distance"), how="cross")


LUCKY = [31.0, *[math.nan] * 9]
LOW, HIGH = ([level + 0.1 * seed for seed in range(10)] for level in (20.0, 30.0))


@pytest.mark.parametrize("metric", ["return99", "final_distance"])
def test_a_lucky_survivor_is_not_the_best(metric: str) -> None:
    ours, lucky, high = cells(methods(SMORe=LOW, B=LUCKY, C=HIGH), metric)
    assert (ours.star, high.star) == ("", "*")  # of the test against C, not B
    assert ours.p == high.p < 0.001
    assert math.isnan(lucky.p)
    assert [cell.best for cell in (ours, lucky, high)] == [False, False, True]
    lucky, ours = cells(methods(B=LUCKY, SMORe=LOW), metric)
    assert (ours.star, ours.best, lucky.best) == ("*", True, False)


def test_without_smore_the_two_best_by_ranks_are_tested() -> None:
    tested = [cell.label for cell in cells(methods(A=LOW, B=LUCKY, C=HIGH), "return99") if not math.isnan(cell.p)]
    assert tested == ["A", "C"]


def test_one_diverged_seed_does_not_outweigh_the_others() -> None:
    ours, other = cells(methods(SMORe=[math.nan, *HIGH[1:]], B=LOW), "return99")
    assert (ours.best, ours.star, other.best) == (True, "*", False)
    ours, other = cells(methods(SMORe=[math.nan, 30.0, 30.0, 30.0], B=[30.0] * 4), "return99")
    assert (ours.best, other.best) == (False, True)  # their means print alike


def test_the_caption_says_what_is_bold() -> None:
    def caption(runs: pd.DataFrame) -> str:
        return " ".join(layout(runs, "return99", TITLE).caption)

    assert "best mean in bold (where a seed diverged, best mean rank)." in caption(methods(SMORe=LOW, B=LUCKY))
    assert "best mean in bold." in caption(methods(SMORe=LOW, B=HIGH))


def test_holm_corrects_for_all_tests_of_the_table() -> None:
    plain, corrected = cells(frame(), "return99"), cells(frame(), "return99", holm=True)
    assert [cell.star for cell in plain].count("*") == 4
    # Nine tests, one of them still to come: 9 times the 2 / 252 of five by five seeds is out of reach of 0.05.
    assert {cell.star for cell in corrected} == {"†", ""}
    ps = [pair[0].p for pair in zip(plain[::2], plain[1::2], strict=True) if not math.isnan(pair[0].p)]
    assert [pair[0].p for pair in zip(corrected[::2], corrected[1::2], strict=True)][:8] == significance.holm(
        [*ps, 1.0]
    )[:8]
    runs = frame()
    runs = runs[(runs["task"] == "FetchReach") | ((runs["task"] == "Reacher") & (runs["expert_share"] == 0.05))]
    few = cells(runs, "return99", holm=True)  # four tests
    assert [cell.star for cell in few if cell.star] == ["*", "*"]
    assert few[0].p == pytest.approx(4 * 2 / 252)
    text = " ".join(layout(runs, "return99", TITLE, holm=True).caption)
    assert (
        "corrected for the table's 4 tests by Holm's method; smallest p possible after it: 0.032 with 5 against" in text
    )


def test_without_smore_the_best_is_tested_against_the_second_best() -> None:
    runs = frame().replace({"method": {"SMORe": "CRL"}, "label": {"SMORe": "CRL"}})
    crl, gofar = pair(runs, "return99", "FetchReach", 0.01)
    assert (crl.star, gofar.star) == ("", "*")
    assert "of the best method against the second best, set on" in " ".join(layout(runs, "return99", TITLE).caption)


def test_agreement_worked_by_hand() -> None:
    """Of three methods, one pair stands the other way round: tau = (2 - 1) / 3."""
    runs = frame()
    runs = runs[(runs["task"] == "Reacher") & (runs["expert_share"] == 0.05)]
    made = [
        replace(cell, label=label, column=(0.05, label), mean=ours, published=Printed(theirs, 0.0))
        for cell, (label, ours, theirs) in zip(
            cells(pd.concat([runs, runs[runs["label"] == "SMORe"].assign(label="CRL")]), "return99"),
            (("SMORe", 3.0, 30.0), ("GoFAR", 2.0, 10.0), ("CRL", 1.0, 20.0)),
            strict=True,
        )
    ]
    key = ("Reacher", 0.05)
    found = agreements(made)[key]
    assert (found.methods, found.order) == (3, "differs")
    assert found.tau == pytest.approx(1 / 3)
    tied = [replace(cell, published=Printed(10.0, 0.0)) for cell in made]
    assert agreements(tied)[key].order == "agrees"  # nobody stands the other way round, but there is no tau
    assert math.isnan(agreements(tied)[key].tau)
    assert not agreements(made[:1])
    assert not agreements([replace(cell, published=Printed(1.0, 0.0, doubtful=True)) for cell in made])
    assert not agreements([replace(cell, values=()) for cell in made])


def test_scales_are_not_mixed() -> None:
    runs = frame()
    runs.loc[0, "scale"] = "paper"
    with pytest.raises(ValueError, match="one scale; got: paper, laptop"):
        cells(runs, "return99")


def test_changed_knobs_are_methods_of_their_own_and_have_no_published_number() -> None:
    runs = frame()
    runs["label"] = runs["label"].replace("GoFAR", "SMORe beta=0.9")
    smore, changed = pair(runs, "return99", "Reacher", 0.05)
    assert (smore.star, changed.label) == ("*", "SMORe beta=0.9")
    assert smore.published
    assert changed.published is None
    runs["label"] = runs["label"].replace("SMORe beta=0.9", "SMORe her_ratio=0.9")
    assert r"\shortstack{SMORe\\her\_ratio=0.9}" in latex.table(layout(runs, "return99", TITLE))


def test_wide_tables_are_cut_and_nobody_is_lost() -> None:
    runs = frame()
    more = [runs.assign(label=runs["label"] + f" k={k}") for k in range(4)]
    text = markdown.table(layout(pd.concat([runs, *more]), "return99", TITLE))
    heads = [line for line in text.splitlines() if line.startswith("| Task")]
    assert all(line.count("|") <= 2 + 7 for line in heads)
    assert sum(line.count("%") for line in heads) == 3 * 10


def test_an_undeclared_cell_is_blank_and_a_missing_one_is_marked() -> None:
    runs = frame()
    runs = runs[(runs["method"] != "GoFAR") | (runs["task"] != "Reacher")]
    text = markdown.table(layout(runs, "return99", TITLE))
    assert "| Reacher | 20.20 ± 0.16 |  |" in text
    assert "-- [a]" in text
    assert "No average: no task is finished in every column" not in text  # FetchReach is
