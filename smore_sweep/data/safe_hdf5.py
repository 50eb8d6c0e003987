"""Read arrays of numbers from HDF5 files, and nothing outside the file.

HDF5 can take data from other files (external and soft links, external storage, virtual datasets), declares sizes apart
from what it stores, and has many types beside numbers. All of this is refused before data are read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
from numpy.typing import NDArray

from smore_sweep.data.refusal import RefusedError, check_regular
from smore_sweep.errors import first_line
from smore_sweep.memory import usable_memory

FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
"""Filters that h5py has built in, by their number in HDF5."""
GREATEST_RATIO = 1100
"""Greatest compression by gzip: 1032, plus the chunks' rest."""
CHUNK_BYTES = 64 * 2**20
"""Largest chunk, unless the whole array is larger."""


@contextmanager
def open_hdf5(path: Path) -> Iterator[Hdf5Reader]:
    """Open a file for reading.

    Raises:
        RefusedError: It is not a regular file, is damaged, or holds something else than it should.
    """
    check_regular(path)
    try:
        with h5py.File(path, "r") as file:
            yield Hdf5Reader(file, path.stat().st_size)
    except RefusedError:
        raise
    except Exception as error:  # h5py raises nearly anything for a damaged file
        raise RefusedError(f"is not a readable HDF5 file ({first_line(error)[:200]!a})") from None


def _word(kind: type) -> str:
    return {h5py.Dataset: "dataset", h5py.Group: "group"}.get(kind, "type")


class Hdf5Reader:
    """Reads the arrays of an open file, by their path in it."""

    def __init__(self, file: h5py.File, size: int) -> None:
        self._file, self._size = file, size
        self._left = usable_memory()
        self._groups: dict[str, h5py.Group] = {}

    def names(self) -> list[str]:
        """Return the names at the root."""
        return list(self._file)

    def holds(self, name: str) -> bool:
        """Return whether a name exists at the root, whatever it stands for."""
        return self._file.get(name, getlink=True) is not None

    def array(self, name: str, dimensions: int, rows: int | None = None) -> NDArray[Any]:
        """Read an array of numbers.

        Args:
            name: Its path, such as ``episode_0/actions``.
            dimensions: Number of dimensions that it must have.
            rows: Most rows to read; all by default.
        """
        dataset = self._dataset(name)
        dtype = dataset.dtype
        if dtype.kind not in "fiub" or dtype.itemsize > 8:
            raise RefusedError(f"holds {name} of type {str(dtype)[:60]!a}; it must be of real numbers")
        shape = dataset.shape
        if shape is None or len(shape) != dimensions:
            raise RefusedError(f"holds {name} of shape {shape}; it must have {dimensions} dimensions")
        if 0 in shape:
            raise RefusedError(f"holds {name} of shape {shape}, which has no number")
        self._check_storage(name, dataset.id, math.prod(shape), dtype.itemsize)
        values: NDArray[Any] = dataset[()] if rows is None else dataset[:rows]
        return values

    def _dataset(self, name: str) -> h5py.Dataset:
        """Walk a path, over groups and hard links only. The last two groups stay open for the next array."""
        item: Any = self._file
        parts = name.split("/")
        for number, part in enumerate(parts, 1):
            shown = "/".join(parts[:number])
            if shown in self._groups:
                item = self._groups[shown]
                continue
            links, key = item.id.links, part.encode()
            if not links.exists(key):
                raise RefusedError(f"lacks {shown}")
            if links.get_info(key).type != h5py.h5l.TYPE_HARD:
                raise RefusedError(f"holds {shown} as a link; links are not followed")
            item = item[part]
            wanted = h5py.Dataset if number == len(parts) else h5py.Group
            if not isinstance(item, wanted):
                raise RefusedError(f"holds {shown} as a {_word(type(item))} where a {_word(wanted)} belongs")
            if wanted is h5py.Group:
                if len(self._groups) > 1:
                    self._groups.clear()
                self._groups[shown] = item
        return item

    def _check_storage(self, name: str, dataset: h5py.h5d.DatasetID, numbers: int, size: int) -> None:
        """Refuse data outside the file, and sizes that the file cannot hold."""
        settings = dataset.get_create_plist()
        layout = settings.get_layout()
        if layout == h5py.h5d.VIRTUAL or settings.get_external_count():
            raise RefusedError(f"holds {name} outside the file")
        filters = [settings.get_filter(i)[0] for i in range(settings.get_nfilters())]
        if unknown := [number for number in filters if number not in FILTERS]:
            raise RefusedError(
                f"holds {name} with HDF5's filter {unknown[0]}; it may have {', '.join(FILTERS.values())}"
            )
        declared, stored = numbers * size, min(dataset.get_storage_size(), self._size)
        if declared > stored * (GREATEST_RATIO if filters else 1):
            raise RefusedError(f"declares {declared:,} bytes of {name} and stores {stored:,}")
        chunk = settings.get_chunk() if layout == h5py.h5d.CHUNKED else ()
        if math.prod(chunk) * size > max(CHUNK_BYTES, declared):
            raise RefusedError(f"holds {name} in chunks of {chunk}, which are too large")
        self._left -= declared
        if self._left < 0:
            raise RefusedError(f"holds more bytes of numbers than the {usable_memory():,} of this machine's memory")
