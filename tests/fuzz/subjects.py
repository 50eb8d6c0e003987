"""The readers under test: each writes sound files, reads damaged ones, and judges the outcome.

A reader ends in :data:`RIGHT` (the sound data, or for files without a checksum those that an independent reader finds),
in :data:`REFUSED` (one sentence) or in :data:`ASIDE` (not used, made again). Anything else is a finding.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from smore_sweep.data import generate, pools
from smore_sweep.data.importers import d4rl, minari_hub, pickled_numpy, safe_pickle, wgcsl
from smore_sweep.data.refusal import RefusedError, to_float32
from smore_sweep.episodes import Episodes
from smore_sweep.monitoring import heartbeat, progress_reporter
from smore_sweep.monitoring.usage import Gpu

RIGHT, REFUSED, ASIDE = "right", "refused", "aside"

Array = np.ndarray[Any, np.dtype[Any]]
TASK, POLICY, COUNT, STEPS = "Reacher", "random", 3, 4


@dataclass(frozen=True)
class Subject:
    """A reader.

    Attributes:
        name: Its name in reports.
        write: Write sound files into a folder. The second argument tells two sets of content apart.
        damaged: Pattern of the files to damage.
        read: Read the folder, and return :data:`RIGHT`, :data:`ASIDE`, or raise a UserError or RefusedError.
        mended: The data are there twice, so every case ends right.
    """

    name: str
    write: Callable[[Path, int], None]
    damaged: str
    read: Callable[[Path], str]
    mended: bool = False


def equal(one: object, other: object) -> bool:
    """Return whether two values are the same, arrays bit for bit."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(equal(value, other[name]) for name, value in one.items())
    return type(one) is type(other) and (one == other or one != one)


def same_episodes(one: Episodes, other: Episodes) -> bool:
    """Return whether all arrays are the same."""
    return equal(vars(one), vars(other))


def episodes(variant: int) -> Episodes:
    """Create episodes of Reacher's sizes."""
    dice = np.random.default_rng(variant)

    def numbers(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.tanh(dice.normal(size=shape)).astype(np.float32)

    return Episodes(
        numbers(COUNT, STEPS + 1, 11), numbers(COUNT, STEPS, 2), numbers(COUNT, STEPS + 1, 2), numbers(COUNT, 2)
    )


# Pools: ``read`` is called with MINARI_DATASETS_PATH set to the folder.


FACTS = {"noise": 0.2, "mujoco_version": "3.3.0"}


def _write_pool(folder: Path, variant: int) -> None:
    pools.save(TASK, POLICY, episodes(variant), FACTS)


def _read_pool(folder: Path) -> str:
    loaded = pools.load(TASK, POLICY, COUNT)
    assert same_episodes(loaded, episodes(0))
    assert pools.metadata(TASK, POLICY).items() >= FACTS.items()
    return RIGHT


def _write_part(folder: Path, variant: int) -> None:
    part = episodes(variant)
    identity = generate._identity(TASK, POLICY, variant, part)
    np.savez(folder / "part.npz", **vars(part), identity=np.array(identity))


def _read_part(folder: Path) -> str:
    part = generate._read(folder / "part.npz", TASK, POLICY, 0, COUNT)
    assert part is None or same_episodes(part, episodes(0))
    return ASIDE if part is None else RIGHT


# Imports


class _Oracle(pickle.Unpickler):
    """Python's own unpickler, for NumPy's names only."""

    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in pickled_numpy.NAMES:
            raise RefusedError("asks for another name")
        return super().find_class(module, name)


def _pickled(variant: int) -> dict[str, Any]:
    dice = np.random.default_rng(variant)
    o, u = dice.normal(size=(2, 5, 10)), dice.uniform(-1, 1, (2, 4, 4))
    return {"o": o, "u": u, "g": np.repeat(o[:, :1, :3], 4, 1), "ag": o[:, :, :3].copy()}


def _write_pickle(folder: Path, variant: int) -> None:
    for protocol in (0, 2, 4, 5):
        (folder / f"buffer{protocol}.pkl").write_bytes(pickle.dumps(_pickled(variant), protocol))


def _read_pickle(folder: Path) -> str:
    (path,) = folder.glob("*.pkl.damaged")
    content = safe_pickle.arrays(path)
    try:
        wanted = _Oracle(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except (pickle.UnpicklingError, ValueError):  # a frame's length or an unused argument, which no data depend on
        wanted = _pickled(0)
    native = {name: np.asarray(value, np.asarray(value).dtype.newbyteorder("=")) for name, value in content.items()}
    assert equal(native, {name: np.asarray(value) for name, value in wanted.items()})
    loaded = wgcsl.read(path)
    assert equal(loaded.observations, to_float32(content["o"]))
    return RIGHT


def _write_d4rl(folder: Path, variant: int) -> None:
    dice = np.random.default_rng(variant)
    ends = np.arange(8) % 4 == 3
    with h5py.File(folder / "ant_medium-v2.hdf5", "w") as file:
        for name, size in (("observations", 27), ("next_observations", 27), ("actions", 8)):
            file.create_dataset(name, data=dice.normal(size=(8, size)).astype("f4"), compression="gzip")
        file["terminals"], file["timeouts"] = ends, np.zeros(8, bool)
        file["infos/qpos"] = dice.normal(size=(8, 3))


NAMES = ("observations", "next_observations", "actions", "terminals", "timeouts")


def _read_d4rl(folder: Path) -> str:
    path = folder / "ant_medium-v2.hdf5"
    pieces, steps = d4rl.read(path, released=False)
    with h5py.File(path, "r") as file:
        wanted, wanted_steps = d4rl._episodes({name: file[name][()] for name in NAMES if name in file})
    assert steps == wanted_steps
    assert equal(dict(enumerate(sum(pieces, ()))), dict(enumerate(sum(wanted, ()))))
    return RIGHT


def _write_hub(folder: Path, variant: int) -> None:
    dice = np.random.default_rng(variant)
    with h5py.File(folder / "main_data.hdf5", "w") as file:
        for i, steps in enumerate((4, 2)):
            for name, array in (
                ("observations", dice.normal(size=(steps + 1, 27))),
                ("actions", dice.normal(size=(steps, 8)).astype("f4")),
                ("terminations", np.arange(steps) == steps - 1),
            ):
                chunks = (None, *array.shape[1:])
                file.create_dataset(f"episode_{i}/{name}", data=array, chunks=True, maxshape=chunks)


def _read_hub(folder: Path) -> str:
    path = folder / "main_data.hdf5"
    loaded = list(minari_hub.read(path))
    with h5py.File(path, "r") as file:
        for i, (observations, actions, _) in enumerate(loaded):
            assert equal(observations, file[f"episode_{i}/observations"][()])
            assert equal(actions, file[f"episode_{i}/actions"][()])
    return RIGHT


# The heartbeat is for display: any numbers and texts of the right types will do.


def _write_heartbeat(folder: Path, variant: int) -> None:
    stack = heartbeat.Training("SMORe · Reacher · 3 runs", "node", 100 + variant, 1000, 3.5)
    gpu = Gpu("GPU-1", 0.5, 20.5, 80.0)
    snapshot = heartbeat.Snapshot(
        "main", "laptop", "me", 1.0, 2.0, "", 3, 9, 0.3, 99.5, None, 1.5, 2, [gpu], [stack, stack], ["failed: x"]
    )
    heartbeat.save(heartbeat.driver_file(folder), snapshot)


def _read_heartbeat(folder: Path) -> str:
    snapshot = heartbeat.load(folder)
    if snapshot is None:
        return ASIDE
    assert all(line.isprintable() for line in progress_reporter.describe(snapshot, 5.0))
    json.dumps(asdict(snapshot), allow_nan=False)
    return RIGHT


DATA = (
    Subject("packed episodes", _write_pool, "smore/**/packed/*.npy", _read_pool, mended=True),
    Subject("HDF5 of a pool", _write_pool, "smore/**/main_data.hdf5", _read_pool),
    Subject("metadata of a pool", _write_pool, "smore/**/metadata.json", _read_pool),
    Subject("part of a pool", _write_part, "part.npz", _read_part),
    Subject("pickle", _write_pickle, "*.pkl", _read_pickle),
    Subject("HDF5 of D4RL", _write_d4rl, "*.hdf5", _read_d4rl),
    Subject("HDF5 of the hub", _write_hub, "*.hdf5", _read_hub),
    Subject("live.json", _write_heartbeat, "live.json", _read_heartbeat),
)
