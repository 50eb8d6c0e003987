"""Sweep files are imported with the modules beside them, anew when one of them has changed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from smore_sweep import user_code
from smore_sweep.errors import DeclarationError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "my_sweep.py").write_text("from my_part import VALUE\nfrom my_package.inner import OTHER\n")
    (tmp_path / "my_part.py").write_text("VALUE = 1\n")
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "__init__.py").touch()
    (tmp_path / "my_package" / "inner.py").write_text("OTHER = 2\n")
    return tmp_path / "my_sweep.py"


def _change(file: Path, text: str) -> None:
    file.write_text(text)
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))


def test_modules_beside_it(project: Path) -> None:
    module = user_code.import_file(project)
    assert (module.VALUE, module.OTHER) == (1, 2)
    assert user_code.folder() == project.parent
    names = {"my_sweep", "my_part", "my_package", "my_package.inner"}
    assert {module.__name__ for module in user_code.modules()} == names


def test_it_is_imported_once_unless_something_has_changed(project: Path) -> None:
    module = user_code.import_file(project)
    assert user_code.import_file(project) is module
    _change(project.parent / "my_part.py", "VALUE = 3\n")
    assert user_code.import_file(project).VALUE == 3


def test_another_file_takes_its_place(project: Path, tmp_path: Path) -> None:
    user_code.import_file(project)
    other = tmp_path / "other" / "my_sweep.py"
    other.parent.mkdir()
    other.write_text("VALUE = 5\n")
    assert user_code.import_file(other).VALUE == 5
    assert str(project.parent) not in sys.path
    assert "my_part" not in sys.modules


def test_a_file_that_failed_leaves_nothing(project: Path) -> None:
    text = project.read_text()
    _change(project, "from my_part import NOTHING\n")
    with pytest.raises(ImportError):
        user_code.import_file(project)
    _change(project, text)
    assert user_code.import_file(project).VALUE == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("random.py", "random.py beside the sweep file hides Python's module random"),
        ("torch.py", "sweep file torch.py has the name of the module torch"),
    ],
)
def test_a_name_that_hides_a_module(project: Path, name: str, said: str) -> None:
    file = project.with_name(name)
    file.write_text("")
    with pytest.raises(DeclarationError, match=said):
        user_code.import_file(project if name == "random.py" else file)
