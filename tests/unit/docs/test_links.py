"""The checker of the built site's links finds what leads nowhere."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.docs.pages import DOCS


@pytest.fixture
def check_links(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS))
    sys.modules.pop("check_links", None)
    import check_links

    return check_links


GOOD = '<p id="there"></p><a href="#there">1</a><a href="folder/">2</a><a href="folder/index.html#top">3</a>'
ELSEWHERE = '<a href="https://example.org/x">4</a><a href="http://localhost:5000">5</a><img src="data:image/png,x">'
BAD = ("b.html", "folder/index.html#gone", "http://example.org", "https://nowhere", "../outside.html", "a%20b.png")


@pytest.mark.parametrize("bad", [(), BAD])
def test_broken_links_are_named(
    check_links: ModuleType, bad: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "index.html").write_text('<h1 id="top">t</h1><a href="../a.html#there">x</a>')
    (tmp_path / "a.html").write_text(GOOD + ELSEWHERE + "".join(f'<a href="{link}">x</a>' for link in bad))
    assert check_links.main(tmp_path) == bool(bad)
    said = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1] for line in said] == list(bad)
