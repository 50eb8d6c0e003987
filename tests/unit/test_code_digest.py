"""Fingerprints see each change of the code that a definition uses, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from smore_sweep import user_code
from smore_sweep.code_digest import code_digest, source_file

FILES = {
    "wares.py": "import math\nfrom helpers import scale\n\nFACTOR = 2.0\nOTHER = 1\n\n"
    "def helper(x):\n    return FACTOR * math.sqrt(scale(x))\n\n"
    "class Base:\n    rate = 1.0\n\n"
    "class Loss(Base):\n    '''Text.'''\n    def __call__(self, x):\n        return helper(x)\n\nGRID = [1]\n",
    "helpers.py": "import tools\n\ndef scale(x):\n    return tools.double(x)\n\ndef unused():\n    return 0\n",
    "tools.py": "def double(x):\n    return 2 * x\n",
}


def _digest(folder: Path, changes: dict[str, tuple[str, str]]) -> str:
    for name, text in FILES.items():
        old, new = changes.get(name, ("", ""))
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1) if old else text)
    user_code.forget()
    module = user_code.import_file(folder / "wares.py")
    digest = code_digest(module.Loss)
    assert source_file(module.Loss) == "wares.py"
    return digest


@pytest.mark.parametrize(
    ("file", "old", "new", "counts"),
    [
        ("wares.py", "return helper(x)", "return helper(x) + 1", True),
        ("wares.py", "FACTOR = 2.0", "FACTOR = 3.0", True),
        ("wares.py", "math.sqrt", "math.log", True),
        ("wares.py", "rate = 1.0", "rate = 2.0", True),
        ("helpers.py", "tools.double(x)", "tools.double(x) + 1", True),
        ("tools.py", "2 * x", "3 * x", True),
        ("wares.py", "Text.", "Other text.", False),
        ("wares.py", "GRID = [1]", "GRID = [1, 2]", False),
        ("wares.py", "OTHER = 1", "OTHER = 2  # a comment", False),
        ("wares.py", "FACTOR * math", "FACTOR  *  math", False),
        ("helpers.py", "return 0", "return 1", False),
    ],
)
def test_a_change(file: str, old: str, new: str, counts: bool, tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    assert (_digest(before, {}) != _digest(after, {file: (old, new)})) == counts


def test_a_shipped_method_has_one_and_the_base_class_does_not_count() -> None:
    from baselines.eql import GCEQL
    from baselines.sql import GCSQL
    from smore_sweep.method import Method

    assert len({code_digest(GCEQL), code_digest(GCSQL)}) == 2
    assert code_digest(Method) == ""
