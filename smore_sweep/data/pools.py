"""Pools of episodes on disk: Minari datasets, one per task and policy.

A generated pool has the id ``smore/<Task>/<policy>-v<version>``, an imported one ``smore-<source>/<Task>/...``, so that
data of two sources never mix. Pools are in Minari's folder of datasets (``MINARI_DATASETS_PATH``, or
``~/.minari/datasets``), so ``minari list local`` shows them.

A pool's folder holds Minari's ``data/`` and ``packed/``, the same episodes as plain arrays, which load at once where
40,000 HDF5 groups take a minute. They are made again when they are missing, damaged or older than the HDF5 file.
The metadata have a digest of every array, which loaded episodes must match, and one of themselves. Older
pools have only a fingerprint.

``.making/`` holds everything unfinished: a pool's lock, a new pool during its writing, finished parts of a pool during
its generation (:mod:`smore_sweep.data.generate`), and the old pool during its replacement.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smore_sweep.data import packed
from smore_sweep.data.refusal import RefusedError, check_regular
from smore_sweep.data.rollout import rollout
from smore_sweep.episodes import Episodes
from smore_sweep.errors import DatasetError, DeclarationError, first_line
from smore_sweep.hashing import DIGEST, seal, seal_holds
from smore_sweep.images import WHITE
from smore_sweep.run_spec import GENERATED, PROTOCOL, check_source
from smore_sweep.seeding import episode_seed
from smore_sweep.storage.atomic import make_folder, sync, sync_tree
from smore_sweep.storage.lock import queue
from smore_sweep.tasks import task

IMPORTS = {
    "wgcsl": "wgcsl DIR",
    "d4rl": "d4rl DIR",
    "d4rl-released": "d4rl DIR --released",
    "minari": "minari",
    "ogbench": "ogbench FILE",
}
"""Arguments of ``smore-sweep data import`` for the usual sources (:mod:`smore_sweep.data.importers`)."""

FACTS = {"task": str, "policy": str, "source": str, "total_episodes": int, "fingerprint": str}
"""Metadata that decide what a pool is, and their types."""
METADATA, ARRAYS = "metadata.json", "arrays"
"""The file of metadata, and its field with the digest of each array."""
warn = logging.getLogger(__name__).warning


def dataset_id(name: str, policy: str, source: str = GENERATED) -> str:
    """Return the Minari id of a pool. Raises :class:`DeclarationError` for a source that cannot be in a path."""
    return f"{_namespace(name, source)}/{policy}-v{PROTOCOL}"


def root() -> Path:
    """Return Minari's folder of local datasets."""
    return Path(os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets")


def folder(name: str, policy: str, source: str = GENERATED) -> Path:
    """Return a pool's folder, which is that of the old pool if a process was killed while replacing it."""
    path, old = root() / dataset_id(name, policy, source), _making(name, policy, source) / "old"
    return old if old.exists() and not path.exists() else path


def available(name: str, policy: str, source: str = GENERATED) -> int:
    """Return the number of episodes in a pool."""
    if not (folder(name, policy, source) / "data").exists():
        return 0
    return int(metadata(name, policy, source)["total_episodes"])


def metadata(name: str, policy: str, source: str = GENERATED) -> dict[str, Any]:
    """Return a pool's metadata. Raises :class:`DatasetError` if they cannot be read or are of another pool."""
    path = folder(name, policy, source) / "data" / METADATA
    try:
        check_regular(path)
        facts = json.loads(path.read_text())
        for fact, kind in FACTS.items():
            value = facts[fact] if fact != "source" else facts.get(fact, GENERATED)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ValueError(f"its {fact} is {str(value)[:40]!a}")
        if facts["total_episodes"] < 0:
            raise ValueError(f"its total_episodes is {facts['total_episodes']}")
        if not isinstance(facts.get(ARRAYS, {}), dict):
            raise ValueError(f"its {ARRAYS} are {str(facts[ARRAYS])[:40]!a}")
        if (ARRAYS in facts or DIGEST in facts) and not seal_holds(facts):
            raise _damaged(name, policy, source, "its metadata do not have their digest")
    except KeyError as error:
        raise _damaged(name, policy, source, f"its metadata lack {error}") from None
    except (OSError, ValueError, TypeError, RecursionError, RefusedError) as error:
        raise _damaged(name, policy, source, f"its metadata cannot be read ({first_line(error)})") from None
    identity = facts["task"], facts["policy"], facts.get("source", GENERATED)
    if identity != (name, policy, source):
        raise _damaged(name, policy, source, f"it is of {' '.join(map(ascii, identity))}")
    return dict(facts)


def load(name: str, policy: str, count: int, source: str = GENERATED) -> Episodes:
    """Load the first ``count`` episodes of a pool, mapped from disk and read-only where possible.

    Raises:
        DatasetError: The pool is damaged or too small.
    """
    if count == 0:  # data of one policy only: the other pool need not exist
        return rollout(name, policy, 0, 0)
    have = available(name, policy, source)
    if have < count:
        raise too_few(name, policy, have, count, source)
    path, facts = folder(name, policy, source), metadata(name, policy, source)
    file = path / "data" / "main_data.hdf5"
    try:
        mapped = packed.read(path, newer_than=file, dtype=task(name).sizes.dtype)
        if mapped is not None:
            _check(name, have, mapped, facts)
            return mapped.first(count)
    except RefusedError as error:
        warn(f"dataset {dataset_id(name, policy, source)}: packed episodes are damaged ({error}) and made again")

    from smore_sweep.data import minari_hdf5

    try:
        episodes = minari_hdf5.read(file, have, task(name).sizes.dtype)
    except (RefusedError, ValueError) as error:
        raise _damaged(name, policy, source, f"its episodes cannot be read ({file.name} {error})") from None
    try:
        _check(name, have, episodes, facts)
    except RefusedError as error:
        raise _damaged(name, policy, source, str(error)) from None
    with contextlib.suppress(OSError):  # a read-only folder can still be read
        packed.write(path, episodes)
    return episodes.first(count)


def too_few(name: str, policy: str, have: int, needed: int, source: str = GENERATED) -> DatasetError:
    """Return the error of a pool that is too small. It says how to make or import episodes."""
    form = IMPORTS.get(source, f"FORMAT ... --source {source}")
    hint = f"import them with: smore-sweep data import {form}"
    if source == GENERATED:
        try:
            task(name).check_maker(policy)
            hint = f"make them with: smore-sweep data make {name}"
        except DeclarationError as error:
            hint = str(error)
    pool = dataset_id(name, policy, source)
    return DatasetError(f"dataset {pool} holds {have:,} episodes, {needed:,} are needed; {hint}")


@contextlib.contextmanager
def writing(name: str, policy: str, say: Callable[[str], None], source: str = GENERATED) -> Iterator[Path]:
    """Hold a pool's lock for the block. While another process holds it, say so and wait.

    Yields the pool's folder for unfinished work, cleared of what a killed process left half-done.
    """
    making = _making(name, policy, source)
    try:
        make_folder(making)
        with queue(making / "lock", f"making {dataset_id(name, policy, source)}", say):
            path, old = root() / dataset_id(name, policy, source), making / "old"
            if old.exists():
                if not path.exists():
                    old.rename(path)
                sync(path.parent)
            for stale in (old, making / "new"):
                shutil.rmtree(stale, ignore_errors=True)
            yield making
    except OSError as error:
        raise DatasetError(f"datasets folder {root()} cannot be written: {error.strerror or error}") from None


def save(name: str, policy: str, episodes: Episodes, facts: Mapping[str, Any], source: str = GENERATED) -> None:
    """Write a pool to a new folder, then replace the old one. ``facts`` are added to its metadata.

    After a kill or a power cut between the two renames, :func:`folder` still finds the old pool, and the next writer
    restores it. The old pool is removed when the new one would survive a power cut.
    """
    path, making = root() / dataset_id(name, policy, source), _making(name, policy, source)
    new, old = making / "new", making / "old"
    (new / "data").mkdir(parents=True)
    _write(new / "data", name, policy, episodes, facts, source)
    packed.write(new, episodes)
    sync_tree(new)
    _announce(_namespace(name, source))
    if path.exists():
        path.rename(old)
    new.rename(path)
    sync(path.parent)
    sync(making)
    shutil.rmtree(old, ignore_errors=True)


def _namespace(name: str, source: str) -> str:
    check_source(source)
    owner = "smore" if source == GENERATED else f"smore-{source}"
    return f"{owner}/{name.replace('.', '_')}"  # Minari's ids have no dots


def _making(name: str, policy: str, source: str) -> Path:
    return root() / ".making" / dataset_id(name, policy, source)


def _damaged(name: str, policy: str, source: str, why: str) -> DatasetError:
    again = "generate it again" if source == GENERATED else "import it again"
    pool = dataset_id(name, policy, source)
    return DatasetError(f"dataset {pool} is damaged: {why}; remove {folder(name, policy, source)} to {again}")


def _check(name: str, count: int, episodes: Episodes, facts: Mapping[str, Any]) -> None:
    """Check that arrays have the task's sizes, agree with each other, and hold what the metadata say.

    Raises:
        RefusedError: They do not.
    """
    sizes = task(name).sizes
    steps = episodes.actions.shape[1] if episodes.actions.ndim == 3 else -1
    shapes = {array: values.shape for array, values in vars(episodes).items()}
    if list(shapes.values()) != [
        (count, steps + 1, sizes.observation),
        (count, steps, sizes.action),
        (count, steps + 1, sizes.goal),
        (count, sizes.goal),
    ]:
        raise RefusedError(f"its shapes are {shapes}")
    if ARRAYS not in facts:
        if (fingerprint := episodes.fingerprint()) != facts["fingerprint"]:
            raise RefusedError(f"its fingerprint is {fingerprint}, not {facts['fingerprint'][:40]!a}")
        return
    for array, digest in packed.digests(episodes).items():
        if facts[ARRAYS].get(array) != digest:
            raise RefusedError(f"its {array} do not have their digest")


def _write(path: Path, name: str, policy: str, episodes: Episodes, facts: Mapping[str, Any], source: str) -> None:
    """Write Minari's part of a pool."""
    import gymnasium
    import minari
    from minari.dataset.minari_storage import MinariStorage

    from smore_sweep.data import minari_hdf5

    row = task(name)
    environment = row.environment_spec()

    def box(size: int) -> gymnasium.spaces.Box:
        if row.sizes.image:
            return gymnasium.spaces.Box(0, WHITE, (size,), np.uint8)
        return gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)

    storage = MinariStorage.new(
        path,
        observation_space=gymnasium.spaces.Dict(
            {
                "observation": box(row.sizes.observation),
                "achieved_goal": box(row.sizes.goal),
                "desired_goal": box(row.sizes.goal),
            }
        ),
        action_space=gymnasium.spaces.Box(-1.0, 1.0, (row.sizes.action,), np.float32),
        env_spec=environment if source == GENERATED else None,
        data_format="hdf5",
    )
    rewards = _rewards(episodes, row.threshold)
    seeds = [episode_seed("data", name, policy, i) for i in range(len(episodes))] if source == GENERATED else None
    minari_hdf5.write(path / "main_data.hdf5", episodes, rewards, seeds)
    storage.update_metadata(
        {
            "dataset_id": dataset_id(name, policy, source),
            "minari_version": minari.__version__,
            **({"eval_env_spec": environment.to_json()} if environment else {}),
            "algorithm_name": policy,
            "author": {"smore_sweep" if source == GENERATED else source},
            "author_email": {"none"},
            "code_permalink": "none",
            "description": f"{name}: {len(episodes)} episodes of the {policy} policy, {source}",
            "total_episodes": len(episodes),
            "total_steps": episodes.actions.shape[0] * episodes.actions.shape[1],
            "dataset_size": float(storage.get_size()),
            "task": name,
            "policy": policy,
            "source": source,
            "fingerprint": episodes.fingerprint(),
            "smore_sweep_version": version("smore_sweep"),
            "numpy_version": version("numpy"),
            **facts,
            ARRAYS: packed.digests(episodes),
        }
    )
    metadata_file = path / METADATA
    metadata_file.write_text(json.dumps(seal(json.loads(metadata_file.read_text()))))


def _rewards(episodes: Episodes, threshold: float) -> NDArray[np.float32]:
    """Return the rewards ``[N, T]`` for the commanded goals. An image is at its goal if it is the goal."""
    if episodes.images:
        own = np.full(episodes.actions.shape[:2], -1.0, np.float32)
        own[:, -1] = 0.0
        return own
    with np.errstate(over="ignore"):  # --allow-large
        distance = np.linalg.norm(episodes.achieved_goals[:, 1:] - episodes.desired_goals[:, None], axis=-1)
    rewards: NDArray[np.float32] = -(distance > threshold).astype(np.float32)
    return rewards


def _announce(namespace: str) -> None:
    """Register the namespace with Minari."""
    from minari.namespace import create_namespace, list_local_namespaces

    make_folder(root() / namespace)
    if namespace not in list_local_namespaces():
        with contextlib.suppress(ValueError):  # another process was quicker
            create_namespace(namespace)
