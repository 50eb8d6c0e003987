"""Assemble episodes of a goal environment from pieces of any length."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smore_sweep.data.refusal import to_float32
from smore_sweep.episodes import Episodes
from smore_sweep.errors import DatasetError, UserError

Array = NDArray[np.generic]


@dataclass(frozen=True)
class Piece:
    """One episode of ``L`` actions: observations ``[L + 1, o]``, actions ``[L, a]``, achieved goals ``[L + 1, g]``, and
    the commanded goal ``[g]``. Without a commanded goal, the last achieved goal stands for it."""

    observations: Array
    actions: Array
    achieved_goals: Array
    desired_goal: Array | None = None


def assemble(pieces: Iterable[Piece], origin: str, cut: int | None) -> Episodes:
    """Join pieces into episodes of one length.

    Args:
        pieces: The pieces.
        origin: Their file, for messages.
        cut: Steps per episode: longer pieces are cut into several, and what is left over is dropped. Without it, all
            pieces must be of one length.

    Raises:
        DatasetError: If the lengths differ, or no piece is long enough.
    """
    parts = list(pieces)
    lengths = [len(piece.actions) for piece in parts]
    if not parts:
        raise DatasetError(f"{origin} holds no episode")
    if cut is None and len(set(lengths)) > 1:
        other = next(number for number, length in enumerate(lengths) if length != lengths[0])
        raise DatasetError(
            f"{origin} holds episodes of unequal length (episode 0: {lengths[0]} steps, episode {other}: "
            f"{lengths[other]}); --cut N makes episodes of N steps of them"
        )
    if cut is not None:
        parts = [_slice(piece, start, cut) for piece in parts for start in range(0, len(piece.actions) - cut + 1, cut)]
        if not parts:
            raise DatasetError(f"{origin} holds no episode of {cut} steps; its longest has {max(lengths)}")
    desired = [piece.achieved_goals[-1] if piece.desired_goal is None else piece.desired_goal for piece in parts]
    arrays = (
        np.stack([piece.observations for piece in parts]),
        np.stack([piece.actions for piece in parts]),
        np.stack([piece.achieved_goals for piece in parts]),
        np.stack(desired),
    )
    return Episodes(*(to_float32(array) for array in arrays))


def _slice(piece: Piece, start: int, steps: int) -> Piece:
    end = start + steps
    return Piece(
        piece.observations[start : end + 1],
        piece.actions[start:end],
        piece.achieved_goals[start : end + 1],
        piece.desired_goal,
    )


def goal_columns(text: str) -> slice:
    """Read ``0:2``, the columns of an observation that are its achieved goal.

    Raises:
        UserError: For another form.
    """
    match = re.fullmatch(r"(\d+):(\d+)", text)
    if not match or int(match[1]) >= int(match[2]):
        raise UserError(f"--goal {text} is not valid; give the columns of the observation as FIRST:END, such as 0:2")
    return slice(int(match[1]), int(match[2]))
