"""The numbers computed from raw outcomes, against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from smore_sweep.results.outcomes import Outcomes, discounted_return
from smore_sweep.task import METRICS

HAND = Outcomes(
    reached=np.array([[False, True, True], [False, False, True]]),
    succeeded=np.array([[True, True, False], [False, False, True]]),
    distances=np.array([[3.0, 2.0, 0.5], [9.0, 9.0, 1.5]], np.float32),
)


def test_summary_by_hand() -> None:
    summary = HAND.summary()
    assert set(summary) == set(METRICS)
    # Episodes (0, 1, 1) and (0, 0, 1): ((0.99 + 0.9801) + 0.9801)/2, ((0.98 + 0.9604) + 0.9604)/2 and so on.
    assert summary["return99"] == pytest.approx(1.4751, rel=1e-12)
    assert summary["return98"] == pytest.approx(1.4504, rel=1e-12)
    assert summary["return999"] == pytest.approx(1.497501, rel=1e-12)
    # Only the last step counts: the first episode leaves the goal again.
    assert summary["success"] == 0.5
    assert summary["final_distance"] == 1.0


def test_discounted_return_by_hand() -> None:
    assert discounted_return(np.array([[True]]), 0.5) == 1.0
    assert discounted_return(np.array([[True, True, True]]), 0.5) == 1.75
    assert discounted_return(np.zeros((3, 50), bool), 0.99) == 0.0
    # A policy that is always at the goal: (1 - 0.99^50) / 0.01
    assert discounted_return(np.ones((2, 50), bool), 0.99) == pytest.approx((1 - 0.99**50) / 0.01)
