"""Keys for random streams, scoped by purpose: data, initialisation, training and evaluation never share one."""

from __future__ import annotations

import hashlib


def key(*parts: object) -> int:
    """Return a signed 64-bit key of anything with a stable ``str``, such as ``key(seed, "init")``."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)


def episode_seed(*parts: object) -> int:
    """Return a seed that ``env.reset`` and ``numpy.random.default_rng`` accept: 31 bits of :func:`key`."""
    return key(*parts) & 0x7FFFFFFF
