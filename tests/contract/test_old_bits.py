"""Old runs keep their bits: parameters after some updates, with the fused kernels.

With PyTorch's kernels, whose last digits depend on the processor, the same updates gave the same bits on one machine
with this code and with that from before tasks grew for OGBench (the parent of 0689186; 2026-11-27).
"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from baselines.gcsl import GCSL
from baselines.iql import GCIQL
from baselines.wgcsl import WGCSL
from smore_sweep.episodes import Episodes
from smore_sweep.method import Method
from smore_sweep.smore import SMORe
from smore_sweep.stacked import fused
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.replay import Replay
from smore_sweep.task import Sizes
from smore_sweep.training.learner import Learner

SIZES = Sizes(observation=4, goal=2, action=2)
EPISODES, HORIZON, UPDATES = 8, 10, 40
BITS = {
    "SMORe": "ca1e8e415022f45f",
    "GC-IQL": "a015f279b82f9631",
    "WGCSL": "2fd253f88737d497",
    "GCSL": "c569ec3b1390df17",
}
METHODS: list[Method] = [SMORe(hidden=16), GCIQL(hidden=16), WGCSL(hidden=16), GCSL(hidden=16)]


def pool(seed: int) -> Episodes:
    """Uniform numbers, without a function whose last digit depends on the processor."""
    random = np.random.default_rng(seed)

    def uniform(*shape: int) -> NDArray[np.float32]:
        return random.uniform(-1.0, 1.0, shape).astype(np.float32)

    return Episodes(
        uniform(EPISODES, HORIZON + 1, SIZES.observation),
        uniform(EPISODES, HORIZON, SIZES.action),
        uniform(EPISODES, HORIZON + 1, SIZES.goal),
        uniform(EPISODES, SIZES.goal),
    )


@pytest.mark.skipif(fused.path() != "fused", reason="the digits are those of the fused kernels")
@pytest.mark.parametrize("method", METHODS, ids=BITS)
def test_parameters_are_what_they_were(method: Method) -> None:
    store = EpisodeStore.build(pool(0), pool(1), 0.8)
    device = torch.device("cpu")
    replay = Replay(store, expert_episodes=[4], episodes=EPISODES, threshold=0.8, normalize=True, device=device)
    learner = Learner([method], [5], SIZES, replay, batch_size=32, updates=UPDATES, device=device)
    for _ in range(UPDATES):
        learner.update()
    (state,) = learner.state()
    found = hashlib.sha256()
    for name in sorted(state):
        if "/w" in name and name.count("/") == 1:
            found.update(state[name].tobytes())
    assert found.hexdigest()[:16] == BITS[method.name]
