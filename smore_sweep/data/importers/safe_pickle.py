"""Read pickles of NumPy arrays without executing their instructions.

A pickle is a program that names functions and calls them. This reader maps the few names that NumPy's own pickles use
to classes of this module, which record shape, type and bytes, and refuses any other name. A pickle can therefore build
numbers, strings, plain containers and arrays of numbers, and nothing else. All these classes have a ``__setstate__``,
because an object without one accepts any attributes from the pickle.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}


class RefusedError(Exception):
    """The pickle asks for something that is not an array of numbers."""


def arrays(path: Path) -> dict[str, Any]:
    """Read the dictionary in a pickle file.

    Raises:
        RefusedError: It asks for more than arrays and plain containers, is no dictionary, or is damaged.
    """
    try:
        with path.open("rb") as file:
            loaded = _Reader(file, encoding="latin1").load()  # the encoding: for files that Python 2 wrote
    except RefusedError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise RefusedError(f"is not a readable pickle ({type(error).__name__}: {str(error)!a})") from None
    if not isinstance(loaded, dict):
        raise RefusedError(f"holds a {type(loaded).__name__} instead of a dictionary of arrays")
    return {str(name): value.value if isinstance(value, _Array) else value for name, value in loaded.items()}


class _Type:
    """Stands for ``numpy.dtype``."""

    def __init__(self, code: object = None, *_: object) -> None:
        if code not in KINDS:
            raise RefusedError(f"holds an array of type {code!r}, which is not numeric")
        self.code, self.order = str(code), "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in "<>|=":
            raise RefusedError("holds an array of unknown byte order")
        self.order = state[1].replace("|", "=")

    @property
    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.code)


class _Array:
    """Stands for ``numpy.ndarray`` and the function that makes an empty one."""

    value: NDArray[Any] | None = None

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, kind, column_major, raw = state
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        self.value = np.frombuffer(raw, kind.numpy).reshape(shape, order="F" if column_major else "C")


class _Buffer(_Array):
    """Stands for numpy's ``_frombuffer``, which protocol 5 uses."""

    def __init__(self, raw: object, kind: object, shape: object, order: object) -> None:
        self.__setstate__((1, shape, kind, order == "F", raw))


class _Bytes:
    """Stands for ``_codecs.encode``, by which protocols before 3 write bytes."""

    def __new__(cls, text: str, encoding: str) -> bytes:  # type: ignore[misc]
        if encoding != "latin1":
            raise RefusedError(f"holds bytes in the encoding {encoding!r}")
        return text.encode("latin1")

    def __setstate__(self, state: object) -> None:
        raise RefusedError("changes the state of its reader")


NAMES: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _Array,
    ("_codecs", "encode"): _Bytes,
    # core in NumPy 1, _core in NumPy 2
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _Buffer for core in ("core", "_core")},
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in NAMES:
            raise RefusedError(f"asks for {f'{module}.{name}'!a}; only arrays of numbers in plain containers are read")
        return NAMES[module, name]
