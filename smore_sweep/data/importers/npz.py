"""Import a task's episodes from NumPy's ``.npz`` files, in one of two forms.

Whole episodes, ``N`` of ``T`` steps::

    observations    [N, T + 1, o]
    actions         [N, T, a]
    achieved_goals  [N, T + 1, g]    (or --goal FIRST:END, columns of the observations)
    desired_goals   [N, g]           (or the last achieved goals)

A series of steps, one episode after the other, as OGBench's files are::

    observations    [K, o]
    actions         [K, a]           (an episode's last action leads nowhere and is dropped)
    terminals       [K]              true at an episode's last state
    achieved_goals  [K, g]           (or --goal)
    desired_goals   [K, g] or absent (or the last achieved goals)

Images are observations of uint8, ``[..., height, width, channels]`` or flat. They are their own achieved goals, and the
last one of an episode is its commanded goal; goals in the file are not read.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from smore_sweep.data.importers.episodes_of_goals import Piece, assemble
from smore_sweep.data.importers.ingest import ingest, origin_of
from smore_sweep.data.refusal import RefusedError, check_regular, to_float32
from smore_sweep.episodes import Episodes
from smore_sweep.errors import DatasetError, first_line
from smore_sweep.memory import usable_memory
from smore_sweep.tasks import task

NEEDED = ("observations", "actions")
OPTIONAL = ("achieved_goals", "desired_goals", "terminals")

Arrays = Mapping[str, NDArray[Any]]


def import_dataset(
    path: Path,
    name: str,
    policy: str,
    source: str,
    say: Callable[[str], None],
    *,
    goal: slice | None = None,
    cut: int | None = None,
    allow_large: bool = False,
) -> None:
    """Import a file as a pool of a task.

    Args:
        path: The file.
        name: The task.
        policy: The pool.
        source: The source.
        say: Receives messages.
        goal: Columns of the observations that are the achieved goals, for files without these.
        cut: Steps per episode (:func:`~smore_sweep.data.importers.episodes_of_goals.assemble`).
        allow_large: As in :func:`~smore_sweep.data.importers.ingest.ingest`.

    Raises:
        DatasetError: The file is missing or cannot be used.
    """
    try:
        content = read_arrays(path)
    except RefusedError as error:
        raise DatasetError(f"{path} is refused: it {error}") from None
    try:
        seen = bool(task(name).sizes.image)
        episodes = _images(content, cut) if seen else assemble(_pieces(content, goal), str(path), cut)
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from None
    ingest(name, policy, episodes, source, origin_of(path), say, allow_large=allow_large)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays that matter. Sizes are checked before data are read, and pickled objects are refused.

    Raises:
        RefusedError: The file is not a readable ``.npz`` of such arrays.
    """
    check_regular(path)
    try:
        with zipfile.ZipFile(path) as file:
            names = [name for name in (*NEEDED, *OPTIONAL) if f"{name}.npy" in file.namelist()]
            for name in NEEDED:
                if name not in names:
                    raise RefusedError(f"lacks {name}; it holds {', '.join(file.namelist())[:200] or 'nothing'}")
            size, limit = sum(_declared_bytes(file, name) for name in names), usable_memory()
            if size > limit:
                raise RefusedError(
                    f"declares {size:,} bytes of numbers, more than the {limit:,} of this machine's memory"
                )
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    except RefusedError:
        raise
    except Exception as error:  # NumPy and zipfile raise nearly anything for a damaged file
        raise RefusedError(f"is not a readable .npz file ({first_line(error)[:200]!a})") from None


def _declared_bytes(file: zipfile.ZipFile, name: str) -> int:
    """Return the bytes of an array, from its header; refuse other types than numbers and sizes that do not agree."""
    member = file.getinfo(f"{name}.npy")
    with file.open(member) as stream:
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(stream)
        header = stream.tell()
    if dtype.kind not in "fiub" or dtype.itemsize > 8:
        raise RefusedError(f"holds {name} of type {str(dtype)[:60]!a}; it must be of real numbers")
    size = math.prod(shape) * dtype.itemsize
    if size + header != member.file_size:
        raise RefusedError(f"declares {size:,} bytes of {name} and stores {member.file_size - header:,}")
    return size


def _pieces(content: Arrays, goal: slice | None) -> list[Piece]:
    """Return the episodes of a file. Raises :class:`ValueError` for shapes that do not agree."""
    observations, actions = content["observations"], content["actions"]
    if observations.ndim not in (2, 3):
        raise ValueError(f"its observations have shape {observations.shape}; it must be [N, T + 1, o] or [K, o]")
    if "achieved_goals" in content:
        achieved = content["achieved_goals"]
    elif goal is not None:
        if goal.stop > observations.shape[-1]:
            raise ValueError(f"--goal {goal.start}:{goal.stop} is beyond its {observations.shape[-1]} observations")
        achieved = observations[..., goal]
    else:
        raise ValueError("it holds no achieved_goals; give --goal FIRST:END, the observations' columns that are they")
    if observations.ndim == 3:
        return _whole(observations, actions, achieved, content.get("desired_goals"))
    if "terminals" not in content:
        raise ValueError("it holds a series of steps without terminals, which say where episodes end")
    return _series(observations, actions, achieved, content.get("desired_goals"), content["terminals"])


def _whole(
    observations: NDArray[Any], actions: NDArray[Any], achieved: NDArray[Any], desired: NDArray[Any] | None
) -> list[Piece]:
    episodes, states = observations.shape[:2]
    shapes = {
        "actions": (actions, (episodes, states - 1), 3),
        "achieved_goals": (achieved, (episodes, states), 3),
        **({} if desired is None else {"desired_goals": (desired, (episodes,), 2)}),
    }
    for name, (array, start, rank) in shapes.items():
        if array.ndim != rank or array.shape[: len(start)] != start:
            raise ValueError(
                f"its {name} have shape {array.shape}; beside observations {observations.shape} that must be "
                f"[{', '.join(map(str, start))}, .]"
            )
    goals = [None] * episodes if desired is None else list(desired)
    return [Piece(*parts) for parts in zip(observations, actions, achieved, goals, strict=True)]


def _series(
    observations: NDArray[Any],
    actions: NDArray[Any],
    achieved: NDArray[Any],
    desired: NDArray[Any] | None,
    terminals: NDArray[Any],
) -> list[Piece]:
    steps = len(observations)
    arrays = {"actions": actions, "achieved_goals": achieved, "terminals": terminals}
    for name, array in {**arrays, **({} if desired is None else {"desired_goals": desired})}.items():
        if array.shape[:1] != (steps,) or (array.ndim != 2 and name != "terminals"):
            raise ValueError(
                f"its {name} have shape {array.shape}; beside {steps} observations that must be [{steps}, .]"
            )
    ends = _ends(terminals, steps)
    pieces = []
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        if end - begin < 2:
            raise ValueError(f"its episode of one state at step {begin} has no transition")
        own = None if desired is None else desired[begin:end]
        if own is not None and (own != own[:1]).any():
            raise ValueError(f"its desired_goals change within the episode that begins at step {begin}")
        pieces.append(
            Piece(
                observations[begin:end],
                actions[begin : end - 1],
                achieved[begin:end],
                own[0] if own is not None else None,
            )
        )
    return pieces


def _ends(terminals: NDArray[Any], steps: int) -> NDArray[np.intp]:
    """Return the step behind each episode of a series."""
    ends = np.flatnonzero(terminals.reshape(steps, -1)[:, 0]) + 1
    if len(ends) == 0 or ends[-1] != steps:
        raise ValueError("its last step is not a terminal, so the last episode is not whole")
    return ends


def _images(content: Arrays, cut: int | None) -> Episodes:
    """Return the episodes of a file of images, which are not copied: there may be gigabytes of them."""
    images, actions = content["observations"], content["actions"]
    if images.dtype != np.uint8:
        raise ValueError(f"its observations are of {images.dtype}; images must be of uint8")
    if cut is not None:
        raise ValueError("--cut is not for images")
    if actions.ndim == 3:  # whole episodes
        if images.ndim < 3 or images.shape[:2] != (len(actions), actions.shape[1] + 1):
            raise ValueError(
                f"its observations have shape {images.shape}; beside actions {actions.shape} they must be "
                f"[{len(actions)}, {actions.shape[1] + 1}, .]"
            )
        return Episodes.of({"observations": images.reshape(*images.shape[:2], -1), "actions": to_float32(actions)})
    steps = len(images)
    if images.ndim < 2 or actions.ndim != 2 or len(actions) != steps:
        raise ValueError(
            f"its actions have shape {actions.shape}; beside {steps} observations that must be [{steps}, .]"
        )
    if "terminals" not in content or content["terminals"].shape[:1] != (steps,):
        raise ValueError(f"it holds a series of {steps} steps without as many terminals, which say where episodes end")
    lengths = np.diff(_ends(content["terminals"], steps), prepend=0)
    if (lengths != lengths[0]).any() or lengths[0] < 2:
        raise ValueError(
            f"its episodes have {lengths.min()} to {lengths.max()} states; all must have as many, 2 or more"
        )
    whole = [array.reshape(len(lengths), lengths[0], -1) for array in (images, actions)]
    return Episodes.of({"observations": whole[0], "actions": to_float32(whole[1][:, :-1])})
