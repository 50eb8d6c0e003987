"""The documented example of a method: it is taken from its page, trained, and stacks like the others."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from smore_sweep.errors import UserError
from smore_sweep.method import Method
from tests.contract.members import stack

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "adding_a_method.md"


def _blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.parametrize(
    ("page", "number", "file"), [("adding_a_method.md", 1, "td3bc.py"), ("adding_a_task.md", 0, "wall.py")]
)
def test_the_pages_show_the_example_that_is_run(page: str, number: int, file: str) -> None:
    assert _blocks(ROOT / "docs" / page)[number] == (ROOT / "examples" / "wall" / file).read_text()


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Method]]:
    code, _ = _blocks(PAGE)
    (tmp_path / "hindsight_bc.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
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
