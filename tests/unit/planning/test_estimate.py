"""Estimates of a plan's time."""

from __future__ import annotations

from pathlib import Path

import pytest

from smore_sweep.discovery import load_sweep
from smore_sweep.planning.estimate import estimate
from smore_sweep.planning.plan import make_plan
from smore_sweep.tasks import task


@pytest.mark.parametrize(
    ("name", "policy", "steps"), [("cube-single-play", "play", 1000), ("FetchReach", "expert", 50)]
)
def test_data_take_as_long_as_their_episodes(name: str, policy: str, steps: int, tmp_path: Path) -> None:
    """Episodes of a dataset of its own can be longer than an evaluation's: 1,000 steps and not 200."""
    plan = make_plan(load_sweep("quickstart"), "smoke", tmp_path)
    guess = estimate(plan, {(name, policy): 10}, cores=2)
    assert guess.data == pytest.approx(10 * steps * task(name).step_milliseconds / 1e3 / 2)
