"""Widths in print, estimated: LaTeX breaks no table that is too wide, it warns."""

from __future__ import annotations

PORTRAIT, LANDSCAPE = 515.0, 704.0
"""Points across a page of :func:`analysis.rendering.latex.document`, upright and turned, less an error of 1%."""
SMALL, FOOTNOTESIZE = 9.25, 8.5
"""Points of these sizes. Computer Modern is wider in small sizes, so they are more than 9 and 8."""
BOLD = 1.15
"""Width of bold digits, relative to upright ones."""
SUPERSCRIPT = 0.8
_UPPER, _OTHER = 0.78, 0.556
_WIDTHS = {
    **dict.fromkeys("0123456789ago/*", 0.5),
    **dict.fromkeys("cez", 0.444),
    **dict.fromkeys("rst()[]", 0.395),
    **dict.fromkeys("fj- ", 0.333),
    **dict.fromkeys("il.,:;'!|", 0.278),
    **dict.fromkeys("=+<>m%−†", 0.834),
    "_": 0.4,
    "w": 0.722,
    "M": 0.92,
    "W": 1.03,
    "±": 1.23,
}
"""Widths of Computer Modern's characters, in units of the size."""


def text_width(text: str, points: float) -> float:
    """Estimate the width of a line of text at a size, from above."""
    return points * sum(map(_width, text))


def _width(character: str) -> float:
    return _WIDTHS.get(character, _UPPER if character.isupper() else _OTHER)
