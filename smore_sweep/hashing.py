"""Hashes of plain JSON content."""

from __future__ import annotations

import hashlib
import json


def digest(content: object) -> str:
    """Hash JSON content into 16 hexadecimal digits. Raises :class:`ValueError` for NaN and infinities."""
    return hashlib.sha256(_canonical(content, allow_nan=False)).hexdigest()[:16]


def full_digest(content: object) -> str:
    """Hash JSON content, which may hold NaN and infinities, into 64 hexadecimal digits."""
    return hashlib.sha256(_canonical(content, allow_nan=True)).hexdigest()


def _canonical(content: object, *, allow_nan: bool) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=allow_nan).encode()
