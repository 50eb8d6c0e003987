"""Paths of results: a folder of this machine or of a mount, or a prefix of an object store (``s3://bucket/x``).

A folder is a :class:`pathlib.Path`. Any other path is a :class:`upath.UPath`, which joins and prints in the same way;
this module hides the other differences. Writes are atomic: a folder gets a temporary file that is renamed, an object
store gets one PUT. One GET reads an object, so a reader gets one version of it, whoever writes meanwhile.

Credentials and endpoints come from the store's own environment variables (S3: ``AWS_*``), never from the path. A path
that cannot be used (no such bucket, no permission, no network) raises a :class:`StorageError` of one sentence.
"""

from __future__ import annotations

import io
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from smore_sweep.errors import StorageError, first_line
from smore_sweep.storage.atomic import atomic_write, make_folder, sync
from smore_sweep.storage.scratch import scratch_folder

if TYPE_CHECKING:
    from upath import UPath

StoragePath: TypeAlias = "Path | UPath"

OPTIONS: dict[str, dict[str, Any]] = {"s3": {"max_concurrency": 1}}
"""File system options by scheme. With more concurrency, s3fs reads large objects in pieces, perhaps of two versions."""
AT_ONCE = 64
"""Objects read in parallel."""
DEFAULT_RESULTS = "output"
"""Results folder of commands that are given none."""


def storage_path(text: str) -> StoragePath:
    """Parse a path or a URI that fsspec supports, without accessing it.

    Raises:
        StorageError: The URI's scheme is unknown or needs a missing package, or the URI holds credentials.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        if re.match(r"[a-z][a-z0-9+]+:/?[^/\\]", text):
            raise StorageError(f"results = {text} is not valid; give a folder, or a store such as s3://bucket/prefix")
        return Path(text)
    if scheme == "file":
        return Path(rest)
    import fsspec

    bucket = rest.split("/")[0]
    if not bucket:
        raise StorageError(f"results = {text} is not valid; name a bucket: {scheme}://bucket/prefix")
    if "@" in bucket:  # not repeated in the message
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

    path: UPath = UPath(text, use_listings_cache=False, **OPTIONS.get(scheme, {}))  # other processes write there too
    return path


def absolute(path: StoragePath) -> StoragePath:
    """Return the path independent of the working directory."""
    return path.resolve() if isinstance(path, Path) else path


def is_folder(folder: StoragePath) -> bool:
    """Return whether a folder exists. Prefixes of object stores always do: nobody has to create them."""
    return not isinstance(folder, Path) or folder.is_dir()


def is_file(path: StoragePath) -> bool:
    """Return whether a file exists."""
    if isinstance(path, Path):
        return path.is_file()
    with _reaching(path):
        return bool(path.fs.exists(path.path))


def open_binary(path: StoragePath) -> BinaryIO:
    """Open a file for reading. Raises :class:`FileNotFoundError` if there is none."""
    return path.open("rb") if isinstance(path, Path) else io.BytesIO(read(path))


def read(path: StoragePath) -> bytes:
    """Return a file's content. Raises :class:`FileNotFoundError` if there is none."""
    if isinstance(path, Path):
        return path.read_bytes()
    with _reaching(path):
        content: bytes = path.fs.cat_file(path.path)
        return content


def read_many(paths: Sequence[UPath]) -> Iterator[bytes | None]:
    """Yield the content of each object, in order, or None for a missing one; reads in parallel."""
    for start in range(0, len(paths), AT_ONCE):
        chunk = paths[start : start + AT_ONCE]
        with _reaching(chunk[0]):
            contents = chunk[0].fs.cat([path.path for path in chunk], on_error="return")
        for path in chunk:
            content = contents[path.path]
            if isinstance(content, bytes):
                yield content
            elif isinstance(content, FileNotFoundError):
                yield None
            else:
                with _reaching(path):
                    raise content


def write(path: StoragePath, data: bytes) -> None:
    """Write a file atomically; if that fails, the old one stays."""
    if not isinstance(path, Path):
        with _reaching(path):
            path.fs.pipe_file(path.path, data)
        return
    for left_behind in path.parent.glob(f".{path.name}.*"):
        left_behind.unlink(missing_ok=True)  # from a killed writer; there is one writer at a time
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(data)


def create_exclusive(path: StoragePath, data: bytes) -> bool:
    """Create a file unless it exists. Returns whether it was created; of two writers one is refused.

    A hard link makes a file of a folder appear with its content, on shared file systems too.

    Raises:
        StorageError: It cannot be created.
    """
    if isinstance(path, Path):
        try:
            return _link(path, data)
        except OSError as error:
            raise StorageError(f"{path} cannot be created: {error.strerror}") from None
    try:
        with _reaching(path):
            path.fs.pipe_file(path.path, data, mode="create")
    except FileExistsError:
        return False
    return True


def remove(path: StoragePath) -> None:
    """Remove a file, if it exists."""
    with suppress(FileNotFoundError):
        if isinstance(path, Path):
            path.unlink()
        else:
            with _reaching(path):
                path.fs.rm_file(path.path)


def put_aside(path: StoragePath, why: str = "broken") -> None:
    """Rename a broken or replaced file to ``<name>.<why>``, so that a person can examine it."""
    name = f"{path.name}.{why}"
    with suppress(FileNotFoundError):  # another reader was faster
        if isinstance(path, Path):
            path.replace(path.with_name(name))
        else:
            write(path.with_name(name), read(path))
            remove(path)


def file_names(folder: Path) -> set[str]:
    """List the files in a folder of the disk, which need not exist. Unfinished ones are left out."""
    with suppress(FileNotFoundError):
        return {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    return set()


def list_names(folder: UPath) -> set[str]:
    """List the objects below a prefix, as relative paths, with one request.

    Raises:
        StorageError: The bucket does not exist.
    """
    try:
        with _reaching(folder):
            names = folder.fs.find(folder.path)
    except FileNotFoundError as error:  # a prefix without objects is just empty
        raise StorageError(f"results in {folder} cannot be used: {first_line(error)}") from None
    return {name.removeprefix(f"{folder.path}/") for name in names}


@contextmanager
def local_copy(path: StoragePath) -> Iterator[Path]:
    """Yield a local file with the same content, for libraries that read only from a disk."""
    if isinstance(path, Path):
        yield path
        return
    with scratch_folder() as folder:
        copy = folder / path.name
        copy.write_bytes(read(path))
        yield copy


def local_folder(results: StoragePath) -> Path:
    """Return a local folder for files that a person opens: the results folder, or ``output`` if that is remote."""
    return results if isinstance(results, Path) else Path(DEFAULT_RESULTS)


def _link(path: Path, data: bytes) -> bool:
    """Write a file under a name of its own, and link it to the path. Returns whether that did not exist."""
    make_folder(path.parent)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        unfinished.write_bytes(data)
        sync(unfinished)
        path.hardlink_to(unfinished)
    except FileExistsError:
        # Over NFS the answer to a link that was made can get lost, and the repeated request is refused.
        return unfinished.stat().st_nlink > 1
    finally:
        unfinished.unlink(missing_ok=True)
    return True


@contextmanager
def _reaching(path: UPath) -> Iterator[None]:
    """Turn the exceptions of stores' clients, which differ by store, into a :class:`StorageError` of one line."""
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except Exception as error:
        if type(error).__module__ == "builtins" and not isinstance(error, OSError | NotImplementedError):
            raise
        raise StorageError(f"results in {path} cannot be used: {first_line(error)}") from None
