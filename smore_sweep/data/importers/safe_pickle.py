"""Read a pickle of one dictionary of NumPy arrays, without Python's unpickler.

A pickle is a program. This module interprets the instructions that NumPy's own pickles consist of, in every protocol,
and refuses all others, so a pickle cannot call a function, nest containers or share parts beyond that. Shapes and types
are checked against the number of bytes before an array is made, and declared lengths against the size of the file
before they are read.
"""

from __future__ import annotations

import codecs
import math
import pickle
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from smore_sweep.data.refusal import RefusedError, check_regular

KINDS = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}
OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
INSTRUCTIONS = 10_000
"""Most instructions of a file. A dictionary of four arrays takes less than 200."""
KEY_LENGTH, TUPLE_LENGTH = 64, 16
ONLY = "only arrays of numbers in a plain dictionary are read"


class _Mark:
    """Stands for the place on the stack where the elements of a container begin."""


@dataclass
class _Name:
    """Stands for a global."""

    name: str


@dataclass
class _Type:
    """Stands for a ``numpy.dtype``."""

    code: str
    order: str = "="

    @property
    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.code)


@dataclass
class _Array:
    """Stands for a ``numpy.ndarray``, which is empty until its state is set."""

    value: NDArray[Any] | None = None


def arrays(path: Path) -> dict[str, Any]:
    """Read the dictionary in a pickle file. Values other than arrays are plain numbers and strings.

    Raises:
        RefusedError: It is not a regular file, asks for more than a dictionary of arrays, or is damaged.
    """
    check_regular(path)
    try:
        with path.open("rb") as file:
            loaded = _Machine(_Bounded(file, path.stat().st_size)).run()
    except RefusedError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise RefusedError(f"is not a readable pickle ({type(error).__name__}: {str(error)[:200]!a})") from None
    return {name: value.value if isinstance(value, _Array) else value for name, value in loaded.items()}


class _Bounded:
    """A file that refuses to read beyond its size, before it reserves memory."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.readline = file.readline
        self._file, self._size = file, size

    def check(self, count: int) -> None:
        if count > self._size - self._file.tell():
            raise RefusedError("is not a readable pickle (it is shorter than it says)")

    def read(self, count: int) -> bytes:
        self.check(count)
        return self._file.read(count)


class _Machine:
    def __init__(self, file: Any) -> None:
        self._file = file
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> dict[str, Any]:
        """Interpret the instructions up to the last, and return the dictionary on the stack."""
        for _ in range(INSTRUCTIONS):
            code = self._file.read(1).decode("latin1")
            opcode = OPCODES.get(code)
            if opcode is None:
                raise RefusedError(f"is not a readable pickle (unknown instruction {code!a})")
            read = self._python2_string if opcode.name == "STRING" else opcode.arg and opcode.arg.reader
            argument = read(self._file) if read else None
            if opcode.name == "STOP":
                return self._end()
            self._step(opcode.name, argument)
        raise RefusedError(f"has more than {INSTRUCTIONS:,} instructions; {ONLY}")

    def _step(self, name: str, argument: Any) -> None:
        if name == "PROTO" and argument > pickle.HIGHEST_PROTOCOL:
            raise RefusedError(f"is not a readable pickle (of protocol {argument})")
        if name == "FRAME":
            self._file.check(argument)
        elif name in CONSTANTS:
            self._stack.append(CONSTANTS[name])
        elif name in SCALARS:
            self._stack.append(_scalar(argument))
        elif name == "MARK":
            self._stack.append(_Mark())
        elif name in ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_TUPLE"):
            self._stack.append(_tuple(self._elements() if name == "TUPLE" else self._pop(TUPLES[name])))
        elif name in ("DICT", "EMPTY_DICT"):
            self._stack.append(_update({}, self._elements() if name == "DICT" else []))
        elif name in ("SETITEM", "SETITEMS"):
            items = self._pop(2) if name == "SETITEM" else self._elements()
            _update(self._top(), items)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memo[len(self._memo) if argument is None else argument] = self._top()
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[argument])
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            self._stack.append(_global(*(argument.split(" ", 1) if argument else self._pop(2))))
        elif name == "REDUCE":
            function, arguments = self._pop(2)
            self._stack.append(_call(function, arguments))
        elif name == "BUILD":
            (state,) = self._pop(1)
            _set_state(self._top(), state)
        elif name != "PROTO":
            raise RefusedError(f"holds {UNWANTED.get(name, f'the instruction {name}')}; {ONLY}")

    def _end(self) -> dict[str, Any]:
        (loaded,) = self._pop(1)
        if not isinstance(loaded, dict):
            raise RefusedError(f"holds {_kind(loaded)} instead of a dictionary of arrays")
        return loaded

    def _top(self) -> Any:
        if not self._stack:
            raise RefusedError("is not a readable pickle (its stack is empty)")
        return self._stack[-1]

    def _pop(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise RefusedError("is not a readable pickle (its stack is empty)")
        values = self._stack[len(self._stack) - count :]
        del self._stack[len(self._stack) - count :]
        return values

    def _elements(self) -> list[Any]:
        """Pop everything down to the last mark."""
        values: list[Any] = []
        while not isinstance(value := self._pop(1)[0], _Mark):
            values.append(value)
        return values[::-1]

    def _python2_string(self, file: Any) -> str:
        line = file.readline()
        if len(line) < 3 or line[-1:] != b"\n" or line[:1] not in (b"'", b'"') or line[-2:-1] != line[:1]:
            raise RefusedError("is not a readable pickle (a string has no quotes)")
        return codecs.escape_decode(line[1:-2])[0].decode("latin1")


CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
INTEGERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4")
TEXTS = ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
PLAIN = (type(None), bool, int, float, str, bytes)
SCALARS = {*INTEGERS, *TEXTS, "FLOAT", "BINFLOAT", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
UNWANTED = {"LIST": "a list", "EMPTY_LIST": "a list", "EMPTY_SET": "a set", "FROZENSET": "a set"}


def _scalar(value: Any) -> Any:
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise RefusedError(f"holds an integer of {value.bit_length():,} bits")
    return value


def _tuple(elements: list[Any]) -> tuple[Any, ...]:
    """Make a tuple of at most two levels, which is what NumPy's states have."""
    flat = [part for element in elements for part in (element if isinstance(element, tuple) else (element,))]
    if len(elements) > TUPLE_LENGTH or any(isinstance(part, tuple | dict | _Mark) for part in flat):
        raise RefusedError(f"holds nested or long tuples; {ONLY}")
    return tuple(elements)


def _update(target: Any, items: list[Any]) -> dict[str, Any]:
    if not isinstance(target, dict) or len(items) % 2:
        raise RefusedError("is not a readable pickle (it sets items of no dictionary)")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str):
            raise RefusedError(f"has {_kind(key)} as a key; keys must be short strings")
        if len(key) > KEY_LENGTH:
            raise RefusedError(f"has a key of {len(key):,} characters; keys must be short strings")
        if not (isinstance(value, _Array) and value.value is not None) and type(value) not in PLAIN:
            raise RefusedError(f"holds {_kind(value)} under the key {key!a}; {ONLY}")
        target[key] = value
    return target


def _global(*parts: Any) -> _Name:
    name = ".".join(part if isinstance(part, str) else _kind(part) for part in parts)
    if name not in NAMES:
        raise RefusedError(f"asks for {name[:100]!a}; {ONLY}")
    return _Name(name)


def _call(function: Any, arguments: Any) -> Any:
    call = NAMES.get(function.name) if isinstance(function, _Name) else None
    if call is None or not isinstance(arguments, tuple):
        raise RefusedError(f"calls {_kind(function)}; {ONLY}")
    return call(*arguments)


def _set_state(target: Any, state: Any) -> None:
    if not isinstance(state, tuple):
        raise RefusedError(f"sets attributes of {_kind(target)}; {ONLY}")
    if isinstance(target, _Type):
        order = state[1] if len(state) > 1 else None
        if not isinstance(order, str) or order not in ("<", ">", "|", "="):
            raise RefusedError("holds an array of unknown byte order")
        target.order = order.replace("|", "=")
    elif isinstance(target, _Array):
        _version, shape, kind, column_major, raw = state
        target.value = _array(shape, kind, "F" if column_major else "C", raw)
    else:
        raise RefusedError(f"sets the state of {_kind(target)}; {ONLY}")


def _array(shape: Any, kind: Any, order: Any, raw: Any) -> NDArray[Any]:
    """Make an array once its shape and type agree with its bytes."""
    if not isinstance(kind, _Type) or not isinstance(shape, tuple) or order not in ("C", "F"):
        raise RefusedError("holds an array without shape, type or order")
    data = raw.encode("latin1") if isinstance(raw, str) else raw
    if not isinstance(data, bytes | bytearray):
        raise RefusedError(f"holds an array whose numbers are {_kind(raw)}")
    if not all(type(length) is int and length > 0 for length in shape):
        raise RefusedError(f"holds an array of shape {_brief(shape)}; every length must be at least 1")
    if math.prod(shape) * kind.numpy.itemsize != len(data):
        raise RefusedError(f"holds an array of shape {_brief(shape)} and type {kind.code} in {len(data):,} bytes")
    return np.frombuffer(data, kind.numpy).reshape(shape, order=order)


def _brief(shape: tuple[Any, ...]) -> str:
    return f"({', '.join(str(n) if type(n) is int else _kind(n) for n in shape)})"


def _kind(value: Any) -> str:
    if isinstance(value, _Name):
        return f"the name {value.name!a}"
    return f"a value of type {type(value).__name__.lstrip('_').lower()!r}"


def _dtype(code: object = None, *_: object) -> _Type:
    if not isinstance(code, str) or code not in KINDS:
        shown = f"{code[:20]!a}" if isinstance(code, str) else _kind(code)
        raise RefusedError(f"holds an array of type {shown}, which is not numeric")
    return _Type(code)


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _frombuffer(raw: object, kind: object, shape: object, order: object) -> _Array:
    return _Array(_array(shape, kind, order, raw))


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
