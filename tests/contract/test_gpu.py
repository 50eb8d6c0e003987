"""Updates of every method on a real GPU: captured as eager, and as on a CPU. Skipped where there is none."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from baselines._images import ImageMethod
from smore_sweep.method import Method
from smore_sweep.training.capture import EAGER, GRAPH, WARM_UP, Updates
from smore_sweep.training.device import prepare
from smore_sweep.training.learner import Learner
from tests.contract import members, test_image_methods
from tests.contract.members import CPU, assert_equal, saved, trained

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

UPDATES = WARM_UP + 3
TOLERANCE = 0.02
"""Most that a leaf's change may differ between devices after :data:`UPDATES` updates, in shares of its root mean
square. Adam divides a gradient by its own size, so where that is rounding alone the change is noise."""

Leaf = NDArray[np.float32]
Make = Callable[[torch.device], Learner]


def make_on_vectors(method: Method, device: torch.device) -> Learner:
    return members.stack(method, device=device)


def make_on_images(method: ImageMethod, device: torch.device) -> Learner:
    return test_image_methods.stack(method, device=device)


MAKERS: dict[str, Make] = {
    **{f"vectors: {method.label}": partial(make_on_vectors, method) for method in members.METHODS},
    **{f"images: {method.label}": partial(make_on_images, method) for method in test_image_methods.METHODS},
}
every_method = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@pytest.fixture(scope="module")
def gpu() -> torch.device:
    device = torch.device("cuda")
    prepare(device)
    return device


@every_method
def test_captured_updates_equal_eager_ones(make: Make, gpu: torch.device) -> None:
    """Also after a restored state, which must reach the captured tensors."""
    learner, eager = make(gpu), make(gpu)
    update, ordinary = Updates(learner, GRAPH), Updates(eager, EAGER)
    for _ in range(UPDATES):
        update()
        ordinary()
    learner.load(saved(learner), UPDATES)
    update()
    ordinary()
    for captured, expected in zip(learner.state(), eager.state(), strict=True):
        assert_equal(captured, expected)


@every_method
def test_a_gpu_computes_what_a_cpu_does(make: Make, gpu: torch.device) -> None:
    """Parameters after some updates, by the size of their change."""
    before = saved(make(CPU))
    one, other = trained(make(CPU), UPDATES).state(), trained(make(gpu), UPDATES).state()
    apart = {
        f"{member}/{name}": difference(before[member][name], one[member][name], other[member][name])
        for member in range(len(before))
        for name in one[member]
        if "/w" in name and name.count("/") == 1
    }
    assert apart
    assert max(apart.values()) <= TOLERANCE, {name: value for name, value in apart.items() if value > TOLERANCE}


def difference(before: Leaf, one: Leaf, other: Leaf) -> float:
    """Return the root mean square of a leaf's difference, in shares of that of its change."""
    change = np.sqrt(np.mean((one - before) ** 2, dtype=np.float64))
    return float(np.sqrt(np.mean((one - other) ** 2, dtype=np.float64)) / max(change, 1e-12))
