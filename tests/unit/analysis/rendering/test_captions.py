"""Captions say how many seeds each method has, and whether all of them saw the same data."""

from __future__ import annotations

import pandas as pd

from analysis.plots.notes import notes
from analysis.rendering.layout import layout
from tests.unit.analysis.plots.drawn import Values, frame, runs

FIVE: Values = [1.0, 2.0, 3.0, 4.0, 5.0]


def caption(shown: pd.DataFrame) -> str:
    return " ".join(layout(shown, "return99", "Title").caption)


def test_seeds_that_differ_by_method_are_told() -> None:
    more = frame(runs(FIVE * 2), runs(FIVE * 2, "GoFAR"), runs(FIVE, "GCSL"), runs(FIVE, task="Reacher"))
    said = caption(more)
    assert ": 5 to 10 (5 for Reacher) seeds, " in said
    assert "Seeds by method: FetchReach 10 (5 for GCSL)." in said


def test_seeds_that_differ_by_share_are_told() -> None:
    said = caption(frame(runs(FIVE * 2, share=0.1), runs(FIVE, share=0.05), runs(FIVE, "GoFAR", share=0.05)))
    assert "Seeds by method: FetchReach 5 (10 for SMORe at 10%)." in said


def test_equal_seeds_are_told_once() -> None:
    assert "Seeds by method" not in caption(frame(runs(FIVE), runs(FIVE, "GoFAR"), runs([1.0], task="Reacher")))


def test_runs_of_different_data_are_told() -> None:
    made_anew = frame(runs(FIVE), runs(FIVE, "GoFAR", dataset="e"), runs(FIVE, share=0.05), runs(FIVE, share=0.05))
    sentence = "Runs of one task were trained on different data: FetchReach at 10% (2 fingerprints)."
    assert sentence in caption(made_anew)
    assert sentence in notes(made_anew, "return99")
    unfinished = runs(["partial"], "GoFAR", dataset="e")
    assert "different data" not in caption(frame(runs(FIVE), runs(FIVE, share=0.05, dataset="e"), unfinished))
