"""Check every link of the built site: ``python docs/check_links.py docs/_build/html``.

A link inside the site must lead to a file, and to an anchor that it has. A link to elsewhere must be a well-formed
``https`` address; nothing is asked of the network.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

OWN_MACHINE = ("localhost", "127.0.0.1")


class _Page(HTMLParser):
    """The links of a page and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.links += [given[name] for name in ("href", "src") if name in given]
        self.anchors |= {given[name] for name in ("id", "name") if name in given}


@cache
def _page(path: Path) -> _Page:
    return _Page(path.read_text("utf-8"))


def broken(site: Path) -> Iterator[str]:
    """Yield a sentence for every link that leads nowhere."""
    for path in sorted(site.rglob("*.html")):
        for link in dict.fromkeys(_page(path).links):
            if reason := _reason(site, path, link):
                yield f"{path.relative_to(site)}: {link}: {reason}"


def _reason(site: Path, path: Path, link: str) -> str:
    parts = urlsplit(link)
    if parts.scheme == "data":
        return ""
    if parts.scheme or parts.netloc:
        sound = parts.scheme == "https" and "." in parts.netloc and parts.netloc.isascii()
        return "" if sound or parts.hostname in OWN_MACHINE else "it is not an https address"
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    target = target / "index.html" if target.is_dir() else target
    if not target.is_relative_to(site.resolve()) or not target.is_file():
        return "there is no such file"
    if parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in _page(target).anchors:
        return "the page has no such anchor"
    return ""


def main(site: Path) -> int:
    """Print what is broken; return 1 if anything is."""
    found = list(broken(site.resolve()))
    print("\n".join(found), end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
