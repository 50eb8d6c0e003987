"""An installed package offers a method, a task and a sweep by entry points."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from smore_sweep import plugins
from smore_sweep.discovery import find_method, load_sweep, methods
from smore_sweep.errors import DeclarationError
from smore_sweep.tasks import task

WALL = Path(__file__).parents[2] / "examples" / "wall"
POINTS = """
[smore_sweep.methods]
offered_td3bc = offered.td3bc:TD3BC
[smore_sweep.tasks]
OfferedWall = offered.wall:WALL
Broken = offered.nothing:WALL
Number = offered.wall:NUMBER
[smore_sweep.sweeps]
offered_wall = offered.wall:SWEEP
"""


@pytest.fixture(autouse=True)
def _package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install a package that holds the example."""
    package, facts = tmp_path / "offered", tmp_path / "offered-1.0.dist-info"
    package.mkdir()
    facts.mkdir()
    for name in ("td3bc.py", "world.py"):
        shutil.copy(WALL / name, package)
    text = (WALL / "wall.py").read_text().replace("from td3bc", "from .td3bc").replace("from world", "from .world")
    (package / "wall.py").write_text(text.replace('"Wall"', '"OfferedWall"') + "\nNUMBER = 3\n")
    (package / "__init__.py").touch()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: offered\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.installed.cache_clear()
    yield
    plugins.installed.cache_clear()
    for name in [name for name in sys.modules if name.startswith("offered")]:
        del sys.modules[name]


def test_what_is_offered_is_known_by_name() -> None:
    sweep = load_sweep("offered_wall")
    assert len(sweep.expand()) == 6
    assert "offered_td3bc" in methods()
    assert find_method("offered_td3bc") is type(sweep.grids[0].methods[0])
    assert task("OfferedWall").horizon == 40


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Broken", "Broken of offered cannot be imported: ModuleNotFoundError: No module named 'offered.nothing'"),
        ("Number", "offered.wall:NUMBER of offered is not a Task"),
    ],
)
def test_a_broken_offer(name: str, said: str) -> None:
    with pytest.raises(DeclarationError) as refusal:
        task(name)
    assert str(refusal.value) == said
