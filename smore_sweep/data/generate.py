"""Making pools: roll-outs on all cores, of which nothing that is finished is lost.

The work is cut into jobs of about a second. A worker writes the episodes of a finished job to a file of its own, under
a temporary name first; a file that is there is never made again, whenever and however the one who asked for it ended.
When all are there the pool is put together. An episode depends on nothing but its task, policy and number, so the pool
is the same whatever happened on the way. While it is made memory holds no more than a job a worker, then the pool once.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import as_completed
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from smore_sweep.console import progress_bar
from smore_sweep.data import pools
from smore_sweep.data.rollout import rollout
from smore_sweep.data.workers import worker_processes
from smore_sweep.episodes import Episodes
from smore_sweep.errors import DatasetError
from smore_sweep.seeding import key
from smore_sweep.storage.atomic import atomic_write
from smore_sweep.tasks import task

JOB_STEPS = 1000
"""Environment steps a job: a second or two of MuJoCo."""

PHYSICS = ("mujoco", "gymnasium-robotics", "gymnasium")
"""Packages whose version changes what an episode holds."""


def ensure(out: Console, name: str, policy: str, count: int) -> None:
    """Make a pool hold at least ``count`` episodes, by rolling out those that are missing, with a progress bar.

    If another process is making the pool, wait for it first. Raises :class:`smore_sweep.data.pools.DatasetError` if the
    episodes that are there were made by another policy or another version of the physics."""
    if pools.available(name, policy) >= count:
        return
    with pools.writing(name, policy, out.print) as making:
        have = pools.available(name, policy)
        if have >= count:
            return
        facts = _facts(name, policy)
        if have:
            _check_continuation(name, policy, facts)
        jobs = _jobs(have, count, max(1, JOB_STEPS // task(name).horizon))
        folder = making / f"parts-{key(*sorted(facts.items())) & 0xFFFFFFFF:08x}"
        folder.mkdir(exist_ok=True)
        parts = {_part(folder, *job): job for job in jobs}
        todo = {path: job for path, job in parts.items() if not path.exists()}
        missing = sum(episodes for _, episodes in todo.values())
        if missing < count - have:
            out.print(f"{name} {policy}: {count - have - missing:,} episodes were finished earlier")
        if todo:
            with progress_bar(out, f"making {name} {policy} episodes", missing) as advance:
                _roll_out(name, policy, todo, advance)
        pools.store(name, policy, _put_together(_pieces(name, policy, have, parts), count), facts)
        for stale in making.glob("parts-*"):
            shutil.rmtree(stale)


def _facts(name: str, policy: str) -> dict[str, Any]:
    """What the episodes of a pool depend on, for its metadata."""
    row = task(name)
    return {
        "function": {"expert": row.expert, "medium": row.medium}.get(policy, "uniform in [-1, 1]"),
        "noise": row.expert_noise if policy == "expert" else 0.0,
        "seeds": f"episode i: smore_sweep.seeding.episode_seed('data', '{name}', '{policy}', i)",
        "requirements": [f"{package}=={version(package)}" for package in PHYSICS],
        **{f"{package.replace('-', '_')}_version": version(package) for package in PHYSICS},
    }


def _check_continuation(name: str, policy: str, facts: dict[str, Any]) -> None:
    made = pools.metadata(name, policy)
    for fact in ("function", "noise", *(f"{package.replace('-', '_')}_version" for package in PHYSICS)):
        if made.get(fact, facts[fact]) != facts[fact]:
            raise DatasetError(
                f"dataset {pools.dataset_id(name, policy)} was made with {fact} {made[fact]} and cannot be continued "
                f"with {facts[fact]}; go back to that one, or remove {pools.folder(name, policy)}"
            )


def _jobs(first: int, end: int, size: int) -> list[tuple[int, int]]:
    """(first episode, number of episodes) of jobs that meet at multiples of ``size``, whatever was there before."""
    starts = [first, *range((first // size + 1) * size, end, size)]
    return [(start, stop - start) for start, stop in zip(starts, [*starts[1:], end], strict=True)]


def _part(folder: Path, first: int, episodes: int) -> Path:
    return folder / f"{first:07d}+{episodes}.npz"


def _roll_out(name: str, policy: str, todo: dict[Path, tuple[int, int]], advance: Callable[[int], None]) -> None:
    workers = min(len(todo), os.cpu_count() or 1)
    with worker_processes(workers) as pool:
        futures = {pool.submit(_save_part, path, name, policy, *job): job for path, job in todo.items()}
        for future in as_completed(futures):
            future.result()
            advance(futures[future][1])


def _save_part(path: Path, name: str, policy: str, first: int, episodes: int) -> None:
    with atomic_write(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **vars(rollout(name, policy, first, episodes)))


def _pieces(name: str, policy: str, have: int, parts: Mapping[Path, tuple[int, int]]) -> Iterator[Episodes]:
    """The episodes that were there, then the parts. A part that cannot be read is rolled out again."""
    if have:
        yield pools.load(name, policy, have)
    for path, job in parts.items():
        piece = _read(path)
        yield rollout(name, policy, *job) if piece is None else piece


def _put_together(pieces: Iterable[Episodes], count: int) -> Episodes:
    made: Episodes | None = None
    done = 0
    for piece in pieces:
        if made is None:
            made = Episodes(*(np.empty((count, *array.shape[1:]), array.dtype) for array in vars(piece).values()))
        for filled, part in zip(vars(made).values(), vars(piece).values(), strict=True):
            filled[done : done + len(piece)] = part
        done += len(piece)
    assert made is not None
    assert done == count
    return made


def _read(path: Path) -> Episodes | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return Episodes(**arrays)
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile):  # of a machine that went down, say
        return None
