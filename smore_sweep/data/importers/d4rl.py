"""Import D4RL's HDF5 files of running bodies: ``halfcheetah_medium-v2.hdf5``, ``ant_expert-v2.hdf5``, ...

A file is a flat series of steps (``observations``, ``actions``, ``terminals``, ``timeouts`` and, in version 2,
``next_observations``), one episode after the other.

By default an episode of the file becomes an episode. With ``next_observations`` it has up to 1000 transitions; without
them, the file lacks the state after its last action, and it has one transition less. Terminated episodes stay in their
last state for the rest; episodes that break off before the time limit, as the last one of a file does, are left out.
The commanded goal is the task's 11 or 5 m/s.

``released=True`` reads files as SMORe's code does, as far as episodes of T + 1 states can express it, into a separate
source named ``...-released``:

* ``d4rl.qlearning_dataset`` drops the last step of every timed-out episode and takes the next row of the file for the
  next observation;
* the series is cut into pieces of 1000 transitions, or at a terminal, where the last transition is repeated to 1000.
  Pieces therefore go across the 999 transitions of HalfCheetah's episodes. An incomplete piece at the end is dropped,
  and so is everything beyond 2,000,000 transitions;
* the commanded goals are 0 m/s (the released code multiplies them by 0).

Remaining differences: where a piece goes from one episode to the next, the transition before (one in 999) enters the
next episode's first state, not its own last one; the copies of a terminal transition enter its own state, not the next
episode's first one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from smore_sweep.data.importers.ingest import ingest, origin_of
from smore_sweep.data.importers.locomotion import BODIES, STEPS, Array, assemble, pools_of
from smore_sweep.data.refusal import RefusedError
from smore_sweep.data.safe_hdf5 import open_hdf5
from smore_sweep.errors import DatasetError

RELEASED_CAP = 2_000_000
"""Transitions that the released code keeps."""

RANKS = {"observations": 2, "actions": 2, "terminals": 1, "timeouts": 1}
"""Number of dimensions of each array."""

Pieces = list[tuple[Array, Array]]


def import_dataset(
    path: Path, source: str, say: Callable[[str], None], *, released: bool = False, allow_large: bool = False
) -> None:
    """Import a file, or every one under a folder that the tasks need.

    Raises:
        DatasetError: A file is missing or cannot be used.
    """
    if not path.exists():
        raise DatasetError(f"there is no {path}")
    names = re.compile(r"(halfcheetah|ant)[_-](random|medium|expert)-v2\.hdf5")
    files = [path] if path.is_file() else sorted(path.rglob("*.hdf5"))
    matches = [(file, match) for file in files if (match := names.fullmatch(file.name))]
    if not matches:
        raise DatasetError(f"{path} holds no {{halfcheetah,ant}}_{{random,medium,expert}}-v2.hdf5")
    for file, match in matches:
        body, quality = match[1], match[2]
        pieces, steps = read(file, released=released)
        episodes = assemble(pieces, body, steps, 0.0 if released else BODIES[body].target)
        origin = origin_of(file)
        for name, policy in pools_of(body, quality):
            pool_source = f"{source}-released" if released else source
            ingest(name, policy, episodes, pool_source, origin, say, allow_large=allow_large)


def read(path: Path, *, released: bool = False) -> tuple[Pieces, int]:
    """Read the pieces ``(observations [L + 1, o], actions [L, a])`` of a file, and the length that a whole one has."""
    try:
        with open_hdf5(path) as file:
            names = [*RANKS, *(["next_observations"] if file.holds("next_observations") else [])]
            content = {name: file.array(name, RANKS.get(name, 2)) for name in names}
    except RefusedError as error:
        raise DatasetError(f"{path} is refused: it {error}") from None
    lengths = {name: len(array) for name, array in content.items()}
    if len(set(lengths.values())) > 1:
        raise DatasetError(f"{path} is not in the format of D4RL's version 2: its lengths differ: {lengths}")
    if content["observations"].shape != content.get("next_observations", content["observations"]).shape:
        raise DatasetError(f"{path} is not in the format of D4RL's version 2: its next_observations have another size")
    pieces, steps = _released(content) if released else _episodes(content)
    if not pieces:
        raise DatasetError(f"{path} holds no whole episode")
    return pieces, steps


def _episodes(content: dict[str, Any]) -> tuple[Pieces, int]:
    observations, actions = content["observations"], content["actions"]
    following = content.get("next_observations")
    terminals = np.asarray(content["terminals"], bool)
    pieces: Pieces = []
    steps = STEPS if following is not None else STEPS - 1
    begin = 0
    ends = np.flatnonzero(terminals | np.asarray(content["timeouts"], bool)) + 1
    for end in map(int, ends):
        states = observations[begin:end]
        if following is not None:
            states = np.concatenate([states, following[end - 1 : end]])
        taken = actions[begin : begin + len(states) - 1]
        if len(taken) == steps or (terminals[end - 1] and 0 < len(taken) < steps):
            pieces.append((states, taken))
        begin = end
    return pieces, steps


def _released(content: dict[str, Any]) -> tuple[Pieces, int]:
    timeouts = np.asarray(content["timeouts"], bool)
    rows = np.flatnonzero(~timeouts[:-1])  # the series as qlearning_dataset leaves it
    ends = np.asarray(content["terminals"], bool)[rows]
    pieces: Pieces = []
    begin = 0
    while begin < len(rows) and (len(pieces) + 1) * STEPS <= RELEASED_CAP:
        terminal = np.flatnonzero(ends[begin : begin + STEPS])
        end = begin + (int(terminal[0]) + 1 if len(terminal) else STEPS)
        if end > len(rows):
            break
        piece = rows[begin:end]
        piece = np.concatenate([piece, np.repeat(piece[-1:], STEPS - len(piece))])
        states = content["observations"][np.append(piece, piece[-1] + 1)]
        pieces.append((states, content["actions"][piece]))
        begin = end
    return pieces, STEPS
