"""Metrics: every outcome has one, and long episodes have a headline return of their own."""

from __future__ import annotations

from analysis.frames.metrics import DEFAULT_METRIC, METRICS, headline_metric
from smore_sweep.results import outcomes
from smore_sweep.tasks import TASKS


def test_every_outcome_has_a_metric_in_its_order() -> None:
    assert tuple(METRICS) == outcomes.METRICS
    assert DEFAULT_METRIC in METRICS


def test_locomotion_is_judged_at_0_999() -> None:
    long = {name for name in TASKS if headline_metric(name) == "return999"}
    assert long == {name for name in TASKS if "TgtVel" in name}
    assert {headline_metric(name) for name in TASKS.keys() - long} == {"return99"}
