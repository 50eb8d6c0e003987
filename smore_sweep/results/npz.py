"""Strict reading and writing of NumPy archives (``.npz``) that may come from anyone.

:class:`Archive` accepts only what :func:`pack` writes: stored, unencrypted members of plain arrays whose declared sizes
fit the file. So no declared size allocates more than the file's own length, and nothing is unpickled.
"""

from __future__ import annotations

import io
import math
import os
import re
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

SUFFIX = ".npy"
DTYPES = re.compile(r"<f4|\|b1|<U[0-9]{1,8}")
"""The dtypes of records: parameters and distances, flags, and the header's text."""
PREAMBLE = re.compile(
    rb"\x93NUMPY\x01\x00(..)"
    rb"\{'descr': '([^']{1,12})', 'fortran_order': (False|True), 'shape': \(([0-9, ]{0,200})\), \} *\n",
    re.DOTALL,
)
"""The beginning of an array of NumPy's format 1.0, as NumPy itself writes it."""


class DamagedError(ValueError):
    """A file does not hold what it must. The message says what is wrong."""


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Encode arrays as an archive, uncompressed: five times as fast, and a tenth larger."""
    archive = io.BytesIO()
    np.savez(archive, **arrays)  # type: ignore[arg-type]
    return archive.getvalue()


class Archive:
    """The arrays of an archive, by name. The constructor reads the directory only.

    Raises:
        DamagedError: If the archive is not one of :func:`pack`. Damage also raises other exceptions of ``zipfile``.
    """

    def __init__(self, file: BinaryIO) -> None:
        size = file.seek(0, os.SEEK_END)
        self._zip = zipfile.ZipFile(file)
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            name = info.filename.removesuffix(SUFFIX)
            if name == info.filename or name in self._members:
                raise DamagedError(f"the member {info.filename!r} is unexpected")
            if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 or info.file_size != info.compress_size:
                raise DamagedError(f"{name!r} is compressed or encrypted")
            self._members[name] = info
        if sum(info.file_size for info in self._members.values()) > size:
            raise DamagedError("its arrays are larger than the file")

    def names(self) -> set[str]:
        """Return the names of the arrays."""
        return set(self._members)

    def read(self, name: str) -> NDArray[Any]:
        """Read an array and check its checksum, dtype and shape."""
        if name not in self._members:
            raise DamagedError(f"{name!r} is missing")
        data = bytearray(self._zip.read(self._members[name]))
        preamble = PREAMBLE.match(data)
        if preamble is None or int.from_bytes(preamble[1], "little") + 10 != preamble.end():
            raise DamagedError(f"{name!r} is not a plain array")
        dtype_name = preamble[2].decode("ascii")
        if not DTYPES.fullmatch(dtype_name):
            raise DamagedError(f"{name!r} has the dtype {dtype_name!r}")
        dtype, shape = np.dtype(dtype_name), tuple(int(part) for part in preamble[4].split(b",") if part.strip())
        if math.prod(shape) * dtype.itemsize != len(data) - preamble.end():
            raise DamagedError(f"{name!r} does not have the declared shape")
        values = np.frombuffer(data, dtype, offset=preamble.end())
        return values.reshape(shape, order="F" if preamble[3] == b"True" else "C")
