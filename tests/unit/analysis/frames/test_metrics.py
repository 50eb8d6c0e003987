"""Metrics: every outcome has one, and tasks are judged by the one that suits them."""

from __future__ import annotations

import pytest

from analysis.frames.metrics import DEFAULT_METRIC, METRICS, headline_metric
from smore_sweep import task, tasks
from smore_sweep.envs.points import PointReach
from smore_sweep.errors import DeclarationError
from smore_sweep.task import Task
from smore_sweep.tasks import TASKS


def test_every_outcome_has_a_metric_in_its_order() -> None:
    assert tuple(METRICS) == task.METRICS
    assert DEFAULT_METRIC in METRICS


def test_locomotion_is_judged_at_0_999() -> None:
    long = {name for name in TASKS if headline_metric(name) == "return999"}
    assert long == {name for name in TASKS if "TgtVel" in name}
    assert {headline_metric(name) for name in TASKS.keys() - long} == {"return99"}


def test_tasks_have_a_headline_of_their_own() -> None:
    assert {headline_metric(name) for name in (*tasks.ogbench(), *tasks.ogbench_of_one_goal())} == {"ever"}
    assert headline_metric("TabletopImages") == "success"
    for name, headline in (("OwnReach", "ever"), ("OwnOtherReach", "")):
        row = Task(name, PointReach, threshold=1.0, horizon=20, headline=headline)
        tasks.declare([row])
        assert headline_metric(name) == (headline or "return99")


def test_a_headline_that_no_evaluation_has_is_refused() -> None:
    with pytest.raises(DeclarationError, match="headline = 'return' is not valid; it must be one of return99, "):
        Task("Own", PointReach, threshold=1.0, horizon=20, headline="return")
