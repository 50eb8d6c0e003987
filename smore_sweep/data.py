"""The store of episodes: Minari datasets, one pool a task and policy, ``smore/<Task>/<policy>-v<version>``.

Pools grow: the first episodes of a larger pool are those of a smaller one. They lie where Minari keeps its datasets
(``MINARI_DATASETS_PATH``, or ``~/.minari/datasets``), so ``minari list local`` shows them. Every load checks the
pool's fingerprint.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from smore_sweep.episodes import Episodes, concatenate
from smore_sweep.method import SpecError
from smore_sweep.rollout import rollout, rollouts
from smore_sweep.seeding import episode_seed
from smore_sweep.spec import PROTOCOL
from smore_sweep.tasks import task


class DatasetError(SpecError):
    """A dataset on disk that must not be used."""


def dataset_id(name: str, policy: str) -> str:
    """The Minari id of a pool."""
    return f"smore/{name}/{policy}-v{PROTOCOL}"


def root() -> Path:
    """Minari's folder of local datasets."""
    return Path(os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets")


def available(name: str, policy: str) -> int:
    """How many episodes a pool holds."""
    path = _data_path(name, policy)
    if not path.exists():
        return 0
    try:
        return int(json.loads((path / "metadata.json").read_text())["total_episodes"])
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(name, policy, f"its metadata cannot be read ({error})") from None


def ensure(name: str, policy: str, count: int, progress: Callable[[int], None]) -> None:
    """Make the pool hold at least ``count`` episodes, by rolling out those that are missing.

    The new pool is written beside the old one and takes its place by renaming: a kill never leaves half a pool."""
    have = available(name, policy)
    if have >= count:
        return
    fresh = rollouts(name, policy, have, count - have, progress)
    everything = concatenate([load(name, policy, have), fresh]) if have else fresh
    store(name, policy, everything)


def load(name: str, policy: str, count: int) -> Episodes:
    """The first ``count`` episodes of a pool. Raises :class:`DatasetError` if the pool is damaged or too small."""
    import h5py

    if count == 0:  # all expert, or all random: the other pool need not exist
        return rollout(name, policy, 0, 0)
    path = _data_path(name, policy)
    metadata = json.loads((path / "metadata.json").read_text())
    if metadata.get("task") != name or metadata.get("policy") != policy or "fingerprint" not in metadata:
        raise _damaged(name, policy, "it was not made by smore_sweep for this task and policy")
    total = int(metadata["total_episodes"])
    if total < count:
        raise DatasetError(f"dataset {dataset_id(name, policy)} holds {total} episodes, {count} are needed")
    try:
        with h5py.File(path / "main_data.hdf5", "r") as file:
            groups = [file[f"episode_{i}"] for i in range(total)]
            episodes = Episodes(
                np.stack([group["observations/observation"][()] for group in groups]),
                np.stack([group["actions"][()] for group in groups]),
                np.stack([group["observations/achieved_goal"][()] for group in groups]),
                np.stack([group["observations/desired_goal"][0] for group in groups]),
            )
    except (OSError, KeyError, ValueError) as error:
        raise _damaged(name, policy, f"its episodes cannot be read ({error})") from None
    if episodes.fingerprint() != metadata["fingerprint"]:
        raise _damaged(name, policy, f"its fingerprint is {episodes.fingerprint()}, not {metadata['fingerprint']}")
    return episodes.first(count)


def _data_path(name: str, policy: str) -> Path:
    return root() / dataset_id(name, policy) / "data"


def _damaged(name: str, policy: str, why: str) -> DatasetError:
    path = root() / dataset_id(name, policy)
    return DatasetError(f"dataset {dataset_id(name, policy)} is damaged: {why}; remove {path} to have it made again")


def store(name: str, policy: str, episodes: Episodes) -> None:
    """Write a pool with Minari into a folder of its own, then move it into place."""
    root().mkdir(parents=True, exist_ok=True)
    place = root() / dataset_id(name, policy)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=root()) as folder:
        _create(name, policy, episodes, Path(folder))
        place.parent.mkdir(parents=True, exist_ok=True)
        for level in ("smore", f"smore/{name}"):
            namespace = Path(folder) / level / "namespace_metadata.json"
            if namespace.exists() and not (root() / level / namespace.name).exists():
                shutil.copy(namespace, root() / level / namespace.name)
        old = Path(folder) / "old"
        if place.exists():
            place.rename(old)
        (Path(folder) / dataset_id(name, policy)).rename(place)


def _create(name: str, policy: str, episodes: Episodes, folder: Path) -> None:
    import gymnasium
    import minari
    from minari.data_collector import EpisodeBuffer

    import smore_sweep.envs  # noqa: F401  registers the ids

    row = task(name)
    horizon = episodes.actions.shape[1]
    distance = np.linalg.norm(episodes.achieved_goals[:, 1:] - episodes.desired_goals[:, None], axis=-1)
    rewards = -(distance > row.threshold).astype(np.float32)
    ends = np.arange(horizon) == horizon - 1
    buffers = [
        EpisodeBuffer(
            id=i,
            seed=episode_seed("data", name, policy, i),
            observations={
                "observation": episodes.observations[i],
                "achieved_goal": episodes.achieved_goals[i],
                "desired_goal": np.repeat(episodes.desired_goals[i : i + 1], horizon + 1, 0),
            },
            actions=episodes.actions[i],
            rewards=rewards[i],
            terminations=np.zeros(horizon, bool),
            truncations=ends,
        )
        for i in range(len(episodes))
    ]

    def box(size: int) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)

    previous = os.environ.get("MINARI_DATASETS_PATH")
    os.environ["MINARI_DATASETS_PATH"] = str(folder)
    try:
        dataset = minari.create_dataset_from_buffers(
            dataset_id(name, policy),
            buffers,
            env=gymnasium.spec(row.env_id),
            eval_env=gymnasium.spec(row.env_id),
            observation_space=gymnasium.spaces.Dict(
                {
                    "observation": box(row.sizes.observation),
                    "achieved_goal": box(row.sizes.goal),
                    "desired_goal": box(row.sizes.goal),
                }
            ),
            action_space=gymnasium.spaces.Box(-1.0, 1.0, (row.sizes.action,), np.float32),
            algorithm_name=policy,
            author="smore_sweep",
            author_email="none",
            code_permalink="none",
            description=f"{name}: {len(episodes)} episodes of the {policy} policy",
            data_format="hdf5",
            requirements=[
                f"{package}=={version(package)}" for package in ("mujoco", "gymnasium-robotics", "gymnasium")
            ],
        )
    finally:
        if previous is None:
            del os.environ["MINARI_DATASETS_PATH"]
        else:
            os.environ["MINARI_DATASETS_PATH"] = previous
    facts: dict[str, Any] = {
        "task": name,
        "policy": policy,
        "noise": row.expert_noise if policy == "expert" else 0.0,
        "fingerprint": episodes.fingerprint(),
        "smore_sweep_version": version("smore_sweep"),
        "mujoco_version": version("mujoco"),
        "gymnasium_robotics_version": version("gymnasium-robotics"),
    }
    dataset.storage.update_metadata(facts)
