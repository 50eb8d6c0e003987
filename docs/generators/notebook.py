"""The notebook as a page: its prose and its code. A test runs it."""

from __future__ import annotations

import json
from pathlib import Path


def page(notebook: Path) -> str:
    """Return a notebook's cells as Markdown."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    return "\n\n".join(_cell(cell["cell_type"], "".join(cell["source"])) for cell in cells) + "\n"


def _cell(kind: str, source: str) -> str:
    return f"```python\n{source}\n```" if kind == "code" else source
