"""NumPy's part of a pickle: the names that it calls, and the types and arrays that these make.

Shapes and types are checked against the number of bytes before an array is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smore_sweep.data.refusal import RefusedError

KINDS = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}
TYPE_DETAILS = (None, None, None, -1, -1, 0)
"""What follows version and byte order in the state of a plain numeric type."""
ONLY = "only arrays of numbers in a plain dictionary are read"


@dataclass
class Name:
    """Stands for a global."""

    name: str


@dataclass
class Type:
    """Stands for a ``numpy.dtype``."""

    code: str
    order: str = "="

    @property
    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.code)


@dataclass
class Array:
    """Stands for a ``numpy.ndarray``, empty until its state is set."""

    value: NDArray[Any] | None = None


def call(name: Any, arguments: Any) -> Any:
    """Call the function of this module that stands for NumPy's. Raises :class:`RefusedError` if there is none."""
    function = NAMES.get(name.name) if isinstance(name, Name) else None
    if function is None or not isinstance(arguments, tuple):
        raise RefusedError(f"calls {kind_of(name)}; {ONLY}")
    return function(*arguments)


def set_state(target: Any, state: Any) -> None:
    """Set the state of a type or an array. Raises :class:`RefusedError` for any other, or one that makes no sense."""
    if not isinstance(state, tuple):
        raise RefusedError(f"sets attributes of {kind_of(target)}; {ONLY}")
    if isinstance(target, Type):
        if repr(state) not in [repr((3, order, *TYPE_DETAILS)) for order in "<>|="]:
            raise RefusedError("holds an array of unknown type or byte order")
        target.order = state[1].replace("|", "=")
    elif isinstance(target, Array):
        version, shape, kind, column_major, raw = state
        if version != 1:
            raise RefusedError("holds an array of an unknown version")
        target.value = _array(shape, kind, "F" if column_major else "C", raw)
    else:
        raise RefusedError(f"sets the state of {kind_of(target)}; {ONLY}")


def _array(shape: Any, kind: Any, order: Any, raw: Any) -> NDArray[Any]:
    """Make an array once its shape and type agree with its bytes."""
    if not isinstance(kind, Type) or not isinstance(shape, tuple) or order not in ("C", "F"):
        raise RefusedError("holds an array without shape, type or order")
    data = raw.encode("latin1") if isinstance(raw, str) else raw
    if not isinstance(data, bytes | bytearray):
        raise RefusedError(f"holds an array whose numbers are {kind_of(raw)}")
    shown = f"({', '.join(str(length) if type(length) is int else kind_of(length) for length in shape)})"
    if not all(type(length) is int and length > 0 for length in shape):
        raise RefusedError(f"holds an array of shape {shown}; every length must be at least 1")
    if math.prod(shape) * kind.numpy.itemsize != len(data):
        raise RefusedError(f"holds an array of shape {shown} and type {kind.code} in {len(data):,} bytes")
    return np.frombuffer(data, kind.numpy).reshape(shape, order=order)


def kind_of(value: Any) -> str:
    """Name a value's kind in a message."""
    if isinstance(value, Name):
        return f"the name {value.name!a}"
    return f"a value of type {type(value).__name__.lstrip('_').lower()!r}"


def _dtype(code: object = None, *_: object) -> Type:
    if not isinstance(code, str) or code not in KINDS:
        shown = f"{code[:20]!a}" if isinstance(code, str) else kind_of(code)
        raise RefusedError(f"holds an array of type {shown}, which is not numeric")
    return Type(code)


def _reconstruct(*arguments: object) -> Array:
    if arguments not in [(Name("numpy.ndarray"), (0,), code) for code in ("b", b"b")]:
        raise RefusedError("holds an array that NumPy would not make")
    return Array()


def _frombuffer(raw: object, kind: object, shape: object, order: object) -> Array:
    return Array(_array(shape, kind, order, raw))


def _encode(text: object, encoding: object) -> bytes:
    """Stand for ``_codecs.encode``, by which protocols before 3 write bytes."""
    if encoding != "latin1" or not isinstance(text, str):
        raise RefusedError("holds bytes in another encoding than latin1")
    return text.encode("latin1")


NAMES: dict[str, Callable[..., Any] | None] = {
    "numpy.dtype": _dtype,
    "numpy.ndarray": None,  # an argument of _reconstruct
    "_codecs.encode": _encode,
    # core in NumPy 1, _core in NumPy 2
    **{f"numpy.{core}.multiarray._reconstruct": _reconstruct for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _frombuffer for core in ("core", "_core")},
}
