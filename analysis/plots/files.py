"""Files of figures. Equal figures give equal bytes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from analysis._output import writing
from analysis.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write(figure: Figure, path: Path, *, plain: bool = False) -> list[Path]:
    """Write a figure as PDF and PNG, atomically. ``path`` has no suffix; ``plain`` puts the small print into a file."""
    written = []
    if plain:
        text = path.with_name(f"{path.name}.txt")
        with writing(text) as unfinished:
            unfinished.write_text(f"{style.take_footer(figure)}\n", encoding="utf-8")
        written.append(text)
    for suffix, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
        target = path.with_name(f"{path.name}.{suffix}")
        with style.printed(), writing(target) as unfinished:
            figure.savefig(unfinished, format=suffix, dpi=200, metadata=metadata)
        written.append(target)
    return written


def svg(figure: Figure) -> bytes:
    """Return a figure as SVG."""
    import matplotlib

    file = io.BytesIO()
    with style.printed(), matplotlib.rc_context({"svg.hashsalt": "report"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()
