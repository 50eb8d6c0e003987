"""Damage to files: flipped bits, cuts, and blocks that are overwritten, inserted, removed or repeated."""

from __future__ import annotations

import random
from collections.abc import Callable

FORMS = (b"\x00", b"\xff", b"\x80", b"(", b"{", b"[", b'"', b"\n", b"9" * 30, b"-1", b"1e999", b"NaN", b"null")
"""Pieces that mean something to some format."""


def _flip(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice((1, 1, 1, 2, 8))):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _flip_early(data: bytearray, dice: random.Random) -> None:
    data[dice.randrange(min(len(data), 256))] ^= 1 << dice.randrange(8)


def _flip_late(data: bytearray, dice: random.Random) -> None:
    data[-1 - dice.randrange(min(len(data), 512))] ^= 1 << dice.randrange(8)


def _cut(data: bytearray, dice: random.Random) -> None:
    del data[dice.randrange(len(data)) :]


def _overwrite(data: bytearray, dice: random.Random) -> None:
    start, piece = dice.randrange(len(data)), dice.choice(FORMS)
    data[start : start + len(piece)] = piece


def _randomize(data: bytearray, dice: random.Random) -> None:
    start = dice.randrange(len(data))
    block = data[start : start + dice.choice((2, 8, 64))]
    data[start : start + len(block)] = dice.randbytes(len(block))


def _insert(data: bytearray, dice: random.Random) -> None:
    start = dice.randrange(len(data))
    data[start:start] = dice.choice(FORMS)


def _remove(data: bytearray, dice: random.Random) -> None:
    start = dice.randrange(len(data))
    del data[start : start + dice.choice((1, 2, 8, 64, 512))]


def _repeat(data: bytearray, dice: random.Random) -> None:
    start = dice.randrange(len(data))
    block = data[start : start + dice.choice((1, 8, 64))]
    data[start:start] = block * dice.choice((1, 2, 100))


def _empty(data: bytearray, dice: random.Random) -> None:
    data.clear()


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip, _flip, _flip, _flip_early, _flip_late, _cut, _overwrite, _randomize, _insert, _remove, _repeat, _empty,
)  # fmt: skip
"""All kinds of damage; single bits come more often."""


def mutate(content: bytes, dice: random.Random) -> bytes:
    """Return a damaged copy of a file's content."""
    data = bytearray(content)
    if data:
        dice.choice(MUTATIONS)(data, dice)
    return bytes(data)
