"""Pools of episodes: they grow without changing, and a share of 0 or 1 needs only one of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from smore_sweep import data
from smore_sweep.replay import Store


def test_a_pool_grows_without_changing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    finished: list[int] = []
    data.ensure("Reacher", "expert", 3, finished.append)
    small = data.load("Reacher", "expert", 3)
    data.ensure("Reacher", "expert", 5, finished.append)
    data.ensure("Reacher", "expert", 4, finished.append)
    grown = data.load("Reacher", "expert", 5)
    assert sum(finished) == 5
    assert data.available("Reacher", "expert") == 5
    for name, array in vars(small).items():
        np.testing.assert_array_equal(array, getattr(grown, name)[:3])
    # The expert reaches its goals, at the last step, within the 5 cm of success.
    assert (np.linalg.norm(grown.achieved_goals[:, -1] - grown.desired_goals, axis=-1) < 0.05).mean() >= 0.8
    assert not list(tmp_path.glob(".writing-*"))


def test_no_episodes_need_no_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    none = data.load("Reacher", "expert", 0)
    assert none.observations.shape == (0, 51, 11)
    data.ensure("Reacher", "random", 2, lambda _: None)
    store = Store.build(none, data.load("Reacher", "random", 2), 0.05)
    assert (store.expert_episodes, store.episodes) == (0, 2)
