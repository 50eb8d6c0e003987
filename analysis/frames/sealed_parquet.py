"""Parquet files with a digest of their values, which is checked whenever one is read."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from smore_sweep.errors import StorageError, first_line
from smore_sweep.storage import paths
from smore_sweep.storage.paths import StoragePath

DIGEST = b"smore_sweep.sha256"
"""Key of the digest in the schema's metadata. Files from before the digests lack it."""


def encode(frame: pd.DataFrame) -> bytes:
    """Encode a frame, without its index. Equal frames give equal bytes."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    sealed = table.replace_schema_metadata({**table.schema.metadata, DIGEST: _digest(frame)})
    file = io.BytesIO()
    pq.write_table(sealed, file, compression="zstd")
    return file.getvalue()


def read(path: StoragePath, columns: Collection[str] = ()) -> pd.DataFrame:
    """Read a whole file and check it.

    Raises:
        StorageError: If the file cannot be read, its values do not have its digest, or it lacks one of the columns.
    """
    try:
        data = paths.read(path)
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from None
    try:
        # Arrow's threads may outlive the call; holding a Python file, they now and then abort a process that ends then.
        frame = pd.read_parquet(pa.BufferReader(data))
        expected = (pq.read_schema(pa.BufferReader(data)).metadata or {}).get(DIGEST)
        intact = expected is None or expected == _digest(frame)
    except Exception as error:  # a damaged file makes its readers raise almost anything
        raise _damaged(path, first_line(error)) from None
    if not intact:
        raise _damaged(path, "its values do not have its digest")
    if missing := [column for column in columns if column not in frame]:
        raise _damaged(path, f"it lacks {', '.join(missing)}")
    return frame


def _damaged(path: StoragePath, reason: str) -> StorageError:
    printable = "".join(letter if letter.isprintable() else "?" for letter in reason)[:120]
    return StorageError(f"{path} is damaged ({printable}); export its runs again into a new folder")


def _digest(frame: pd.DataFrame) -> bytes:
    """Hash the columns' names and values: numbers as 64 bits, texts and bytes with their lengths."""
    digest = hashlib.sha256()
    for name in frame.columns:
        column = frame[name]
        digest.update(f"{name}\n".encode())
        if column.dtype.kind in "if":
            digest.update(column.to_numpy(f"<{column.dtype.kind}8").tobytes())
            continue
        for value in column:
            data = value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else None
            digest.update(b"-" if data is None else len(data).to_bytes(8, "little") + data)
    return digest.hexdigest().encode()
