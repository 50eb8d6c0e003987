"""The documented example of a method: the page shows its file; it is trained, and stacks like the others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from smore_sweep.errors import UserError
from smore_sweep.method import Method
from tests.contract.members import stack

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Method]]:
    monkeypatch.syspath_prepend(str(EXAMPLES / "cloning"))
    module = __import__("hindsight_bc")
    yield module.HindsightBC
    del sys.modules["hindsight_bc"]


def test_the_documented_example_learns_and_stacks(example: type[Method]) -> None:
    together = stack(example(hidden=16))
    first: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = {}
    for step in range(200):
        together.update()
        if step == 0:
            first = together.metrics()
    assert (together.metrics()["policy"] < 0.9 * first["policy"]).all()
    alone = stack(example(hidden=16), members=(1,))
    for _ in range(200):
        alone.update()
    for name, array in alone.state()[0].items():
        np.testing.assert_array_equal(array, together.state()[1][name])
    with pytest.raises(UserError, match="HindsightBC has no field 'beta'; it has: "):
        example(beta=0.5)
