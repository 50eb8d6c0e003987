"""Hashes of plain JSON content and of arrays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIGEST = "digest"
"""The field of sealed content that holds the digest of the others."""


def digest(content: object) -> str:
    """Hash JSON content into 16 hexadecimal digits. Raises :class:`ValueError` for NaN and infinities."""
    return hashlib.sha256(_canonical(content, allow_nan=False)).hexdigest()[:16]


def seal(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return content as JSON gives it back, with its digest. It may hold NaN and infinities."""
    plain: dict[str, Any] = json.loads(json.dumps(content))
    return {**plain, DIGEST: _full_digest(plain)}


def seal_holds(content: Mapping[str, Any]) -> bool:
    """Return whether content has the digest that :func:`seal` gave it."""
    return bool(content.get(DIGEST) == _full_digest({name: value for name, value in content.items() if name != DIGEST}))


def array_digest(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's dtype, shape and values in C order."""
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(array.data if array.flags.c_contiguous else array.tobytes())
    return digest.hexdigest()


def _full_digest(content: object) -> str:
    return hashlib.sha256(_canonical(content, allow_nan=True)).hexdigest()


def _canonical(content: object, *, allow_nan: bool) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=allow_nan).encode()
