"""Last step of every import: check the episodes against the task, and save them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from smore_sweep.data import pools
from smore_sweep.data.refusal import RefusedError, check_numbers
from smore_sweep.episodes import Episodes
from smore_sweep.errors import DatasetError
from smore_sweep.run_spec import GENERATED, check_source
from smore_sweep.tasks import task


def ingest(
    name: str,
    policy: str,
    episodes: Episodes,
    source: str,
    origin: str,
    say: Callable[[str], None],
    *,
    allow_large: bool = False,
) -> None:
    """Save a pool under its source, in place of an existing one.

    Actions beyond [-1, 1], as in the released noisy FetchReach data, are clipped, as every environment does.

    Args:
        name: The task.
        policy: The policy of the episodes.
        episodes: The episodes; their actions are clipped in place.
        source: The source.
        origin: Provenance, for the metadata.
        say: Receives messages.
        allow_large: Accept numbers beyond :data:`~smore_sweep.data.refusal.LARGEST`.

    Raises:
        DatasetError: There is no episode, sizes or kind differ from the task's, a number is not finite or too large, or
            the source cannot have this name.
    """
    check_source(source)
    if source == GENERATED:
        raise DatasetError(f"source {GENERATED!r} is reserved for generated data; give the imported data another name")
    if not episodes.actions.size:
        raise DatasetError(f"{origin}: it holds no episode")
    sizes = task(name).sizes
    if episodes.images != bool(sizes.image):
        raise DatasetError(
            f"{origin}: its observations are {'images' if episodes.images else 'vectors'}, "
            f"those of {name} are {'images' if sizes.image else 'vectors'}"
        )
    for what, array, size in (
        ("observations", episodes.observations, sizes.observation),
        ("actions", episodes.actions, sizes.action),
        ("achieved goals", episodes.achieved_goals, sizes.goal),
        ("commanded goals", episodes.desired_goals, sizes.goal),
    ):
        if array.shape[-1] != size:
            raise DatasetError(f"{origin}: its {what} have {array.shape[-1]} numbers, those of {name} have {size}")
        if array.dtype == np.uint8:  # every number is a pixel
            continue
        try:
            check_numbers(array, what, allow_large=allow_large)
        except RefusedError as error:
            raise DatasetError(f"{origin} is refused: it {error}") from None
    beyond = float((np.abs(episodes.actions) > 1.0).any(-1).mean())
    if beyond:
        say(f"{origin}: {beyond:.2%} of the actions were beyond [-1, 1] and are clipped")
        np.clip(episodes.actions, -1.0, 1.0, out=episodes.actions)
    with pools.writing(name, policy, say, source):
        pools.save(name, policy, episodes, {"origin": origin, "actions_clipped": beyond}, source)
    steps, horizon = episodes.actions.shape[1], task(name).horizon
    if steps != horizon:
        say(f"{origin}: its episodes have {steps:,} steps; an evaluation on {name} has {horizon:,}")
    say(f"{pools.dataset_id(name, policy, source)}: {len(episodes):,} episodes of {steps:,} steps from {origin}")


def origin_of(path: Path) -> str:
    """Return a file's name and the first 16 hexadecimal digits of its SHA-256."""
    with path.open("rb") as file:
        return f"{path.name} (sha256 {hashlib.file_digest(file, 'sha256').hexdigest()[:16]})"
