"""Where results are kept: a folder of this machine or of a mount, or a prefix of an object store (``s3://bucket/x``).

A folder is a :class:`pathlib.Path`. Any other place is a :class:`upath.UPath`, which joins and prints like one; what
differs below that is here. Files are written whole or not at all: in a folder under a temporary name, then renamed; in
an object store by one PUT. One GET reads an object, so what is read is one version of it, whoever writes meanwhile.

Credentials and endpoints are the store's own environment variables (S3: ``AWS_*``), never part of a place. A place that
cannot be used - no such bucket, no right to it, no network - is a :class:`StorageError` of one sentence.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from smore_sweep.errors import StorageError, first_line
from smore_sweep.storage.atomic import atomic_write

if TYPE_CHECKING:
    from upath import UPath

StoragePath: TypeAlias = "Path | UPath"

OPTIONS: dict[str, dict[str, Any]] = {"s3": {"max_concurrency": 1}}
"""For a scheme's file system. With more than one, s3fs reads a large object in pieces, which may be of two versions."""
AT_ONCE = 64
"""Objects that are read at the same time."""


def storage_path(text: str) -> StoragePath:
    """The place that a text names: a path, or a URI of a kind that fsspec knows. Nothing is looked up yet.

    Raises :class:`StorageError` for a URI of an unknown kind or of one whose package is missing, and for credentials in
    it."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return Path(text)
    if scheme == "file":
        return Path(rest)
    import fsspec

    bucket = rest.split("/")[0]
    if not bucket:
        raise StorageError(f"results = {text} is not valid; name a bucket: {scheme}://bucket/prefix")
    if "@" in bucket:  # which is not repeated
        raise StorageError(
            f"results = {scheme}://... must not hold credentials; give them by environment variables (AWS_* for s3)"
        )
    try:
        fsspec.get_filesystem_class(scheme)
    except ValueError:
        raise StorageError(
            f"results = {text} is not valid: {scheme!r} is no kind of store; give a path or s3://bucket/prefix"
        ) from None
    except ImportError as error:
        hint = " (pip install smore_sweep[s3])" if scheme == "s3" else ""
        raise StorageError(f"results = {text} needs a package that is missing: {error}{hint}") from None
    from upath import UPath

    place: UPath = UPath(text, use_listings_cache=False, **OPTIONS.get(scheme, {}))  # others write there too
    return place


def absolute(place: StoragePath) -> StoragePath:
    """The same place, whatever the working directory."""
    return place.resolve() if isinstance(place, Path) else place


def is_folder(folder: StoragePath) -> bool:
    """Whether there is such a folder. Prefixes of object stores always are: they need not be made."""
    return not isinstance(folder, Path) or folder.is_dir()


def is_file(path: StoragePath) -> bool:
    """Whether there is such a file."""
    if isinstance(path, Path):
        return path.is_file()
    with _reaching(path):
        return bool(path.fs.exists(path.path))


def open_binary(path: StoragePath) -> BinaryIO:
    """A file to read. Raises :class:`FileNotFoundError` if there is none."""
    return path.open("rb") if isinstance(path, Path) else io.BytesIO(read(path))


def read(path: StoragePath) -> bytes:
    """What a file holds. Raises :class:`FileNotFoundError` if there is none."""
    if isinstance(path, Path):
        return path.read_bytes()
    with _reaching(path):
        found: bytes = path.fs.cat_file(path.path)
        return found


def read_many(paths: Sequence[UPath]) -> Iterator[bytes | None]:
    """What each object holds, in order, read many at a time; None for one that is not there."""
    for start in range(0, len(paths), AT_ONCE):
        part = paths[start : start + AT_ONCE]
        with _reaching(part[0]):
            found = part[0].fs.cat([path.path for path in part], on_error="return")
        for path in part:
            held = found[path.path]
            if isinstance(held, bytes):
                yield held
            elif isinstance(held, FileNotFoundError):
                yield None
            else:
                with _reaching(path):
                    raise held


def write(path: StoragePath, data: bytes) -> None:
    """Write a file, whole; if that fails, the old one stays."""
    if not isinstance(path, Path):
        with _reaching(path):
            path.fs.pipe_file(path.path, data)
        return
    for left_behind in path.parent.glob(f".{path.name}.*"):
        left_behind.unlink(missing_ok=True)  # by a writer that was killed; there is one writer at a time
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(data)


def create_exclusive(path: UPath, data: bytes) -> bool:
    """Write an object unless there is one; whether that was so. The store decides, so of two writers one is told no."""
    try:
        with _reaching(path):
            path.fs.pipe_file(path.path, data, mode="create")
    except FileExistsError:
        return False
    return True


def remove(path: StoragePath) -> None:
    """Remove a file, if it is there."""
    with suppress(FileNotFoundError):
        if isinstance(path, Path):
            path.unlink()
        else:
            with _reaching(path):
                path.fs.rm_file(path.path)


def put_aside(path: StoragePath) -> None:
    """Give a broken file another name, for a person to look at."""
    name = f"{path.name}.broken"
    with suppress(FileNotFoundError):  # another reader was faster
        if isinstance(path, Path):
            path.replace(path.with_name(name))
        else:
            write(path.with_name(name), read(path))
            remove(path)


def list_names(folder: UPath) -> set[str]:
    """All that is below a prefix of an object store, as paths relative to it, by one listing.

    Raises :class:`StorageError` if there is no such bucket."""
    try:
        with _reaching(folder):
            found = folder.fs.find(folder.path)
    except FileNotFoundError as error:  # a prefix without objects is just empty
        raise StorageError(f"results in {folder} cannot be used: {first_line(error)}") from None
    return {name.removeprefix(f"{folder.path}/") for name in found}


@contextmanager
def local_copy(path: StoragePath) -> Iterator[Path]:
    """A file for those who can only read from a disk."""
    if isinstance(path, Path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="smore_sweep-") as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(read(path))
        yield copy


def local_folder(results: StoragePath) -> Path:
    """A folder for what a person looks at here and now: the results folder, or ``output`` if that is elsewhere."""
    return results if isinstance(results, Path) else Path("output")


@contextmanager
def _reaching(place: UPath) -> Iterator[None]:
    """Turn what the clients of stores raise into a :class:`StorageError` of one line; each has exceptions of its
    own."""
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except Exception as error:
        if type(error).__module__ == "builtins" and not isinstance(error, OSError | NotImplementedError):
            raise
        raise StorageError(f"results in {place} cannot be used: {first_line(error)}") from None
