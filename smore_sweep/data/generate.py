"""Generate pools by rollouts on all cores, resuming after an interruption.

The work is split into jobs of about a second. For each finished job a worker atomically writes a file with its
episodes, and existing files are never generated again, however the command before ended. Once all files exist, the pool
is assembled. An episode depends only on its task, policy and number, so interruptions do not change the pool. Memory
holds one job per worker during generation, then the pool once.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import as_completed
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from smore_sweep.console import progress_bar
from smore_sweep.cores import usable_cores
from smore_sweep.data import pools
from smore_sweep.data.refusal import RefusedError, check_numbers, check_regular
from smore_sweep.data.rollout import rollout
from smore_sweep.data.workers import worker_processes
from smore_sweep.episodes import Episodes
from smore_sweep.errors import DatasetError, UserError, first_line
from smore_sweep.seeding import key
from smore_sweep.storage.atomic import atomic_write
from smore_sweep.task import Task
from smore_sweep.task_code import maker_code
from smore_sweep.tasks import task
from smore_sweep.user_code import own_line

JOB_STEPS = 1000
"""Environment steps per job: a second or two of MuJoCo."""

PHYSICS = ("mujoco", "gymnasium-robotics", "gymnasium")
"""Packages whose version changes the content of an episode."""
VERSIONS = tuple(f"{package.replace('-', '_')}_version" for package in PHYSICS)
DECLARED = ("function", "noise", "horizon", "environment", "code")
"""Facts of a pool that its task's declaration decides. Pools from before a fact existed lack it."""


def ensure(out: Console, name: str, policy: str, count: int) -> None:
    """Extend a pool to at least ``count`` episodes, with a progress bar.

    If another process is writing the pool, wait for it first.

    Raises:
        DatasetError: The existing episodes are of another declaration of the task or, where there are to be more, of
            another version of the physics.
    """
    if pools.available(name, policy) >= count:
        check_declaration(name, policy)
        return
    with pools.writing(name, policy, out.print) as making:
        have = pools.available(name, policy)
        if have >= count:
            check_declaration(name, policy)
            return
        facts = _facts(name, policy)
        if have:
            _check(name, policy, facts, (*DECLARED, *VERSIONS))
        jobs = _jobs(have, count, max(1, JOB_STEPS // _steps(task(name))))
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
        pools.save(name, policy, _assemble(_pieces(name, policy, have, parts), count), facts)
        for stale in making.glob("parts-*"):
            shutil.rmtree(stale)


def check_declaration(name: str, policy: str) -> None:
    """Check that a pool which exists was made as its task is declared now.

    Raises:
        DatasetError: It was not.
    """
    _check(name, policy, _facts(name, policy), DECLARED)


def _facts(name: str, policy: str) -> dict[str, Any]:
    """Return the facts that a pool's episodes depend on, for its metadata."""
    row = task(name)
    code = maker_code(row, policy)
    return {
        "function": row.source_of(policy) or "uniform in [-1, 1]",
        "noise": row.expert_noise if policy == "expert" else 0.0,
        "horizon": _steps(row),
        "environment": row.environment_name,
        **({"code": code} if code else {}),
        "seeds": f"episode i: smore_sweep.seeding.episode_seed('data', '{name}', '{policy}', i)",
        "requirements": [f"{package}=={version(package)}" for package in PHYSICS],
        **{fact: version(package) for fact, package in zip(VERSIONS, PHYSICS, strict=True)},
    }


def _check(name: str, policy: str, facts: dict[str, Any], names: Iterable[str]) -> None:
    existing = pools.metadata(name, policy)
    for fact in names:
        if fact in existing and existing[fact] != facts.get(fact):
            raise DatasetError(
                f"dataset {pools.dataset_id(name, policy)} was made with {fact} {existing[fact]} and cannot be used "
                f"with {facts.get(fact)}; go back to that one, or remove {pools.folder(name, policy)}"
            )


def _steps(row: Task) -> int:
    """Return the steps of a generated episode."""
    return row.data_steps or row.horizon


def _jobs(first: int, end: int, size: int) -> list[tuple[int, int]]:
    """Return (first episode, number of episodes) per job. Jobs meet at multiples of ``size``, whatever ``first`` is."""
    starts = [first, *range((first // size + 1) * size, end, size)]
    return [(start, stop - start) for start, stop in zip(starts, [*starts[1:], end], strict=True)]


def _part(folder: Path, first: int, episodes: int) -> Path:
    return folder / f"{first:07d}+{episodes}.npz"


def _roll_out(name: str, policy: str, todo: dict[Path, tuple[int, int]], advance: Callable[[int], None]) -> None:
    workers = min(len(todo), usable_cores())
    with worker_processes(workers) as pool:
        futures = {pool.submit(_save_part, path, name, policy, *job): job for path, job in todo.items()}
        for future in as_completed(futures):
            future.result()
            advance(futures[future][1])


def _save_part(path: Path, name: str, policy: str, first: int, episodes: int) -> None:
    try:
        part = rollout(name, policy, first, episodes)
        _check_finite(part)
    except UserError:
        raise
    except RefusedError as error:
        raise DatasetError(
            f"{name} episodes {first} to {first + episodes - 1} of the {policy} policy are refused: their part {error}"
        ) from None
    except Exception as error:  # an environment or a policy of a user's
        raise DatasetError(
            f"{name} episodes of the {policy} policy cannot be made: {type(error).__name__}: {first_line(error)}"
            f"{own_line(error)}"
        ) from error
    identity = np.array(_identity(name, policy, first, part))
    with atomic_write(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, **part.own_arrays(), identity=identity)


def _check_finite(episodes: Episodes) -> None:
    """Raise :class:`RefusedError` for a number that is not finite, of an environment or a policy of a user's."""
    for what, array in vars(episodes).items():
        if len(array) and array.dtype != np.uint8:
            check_numbers(array, what.replace("_", " "), allow_large=True)


def _pieces(name: str, policy: str, have: int, parts: Mapping[Path, tuple[int, int]]) -> Iterator[Episodes]:
    """Yield the existing episodes, then the parts. A part that does not prove itself is rolled out again."""
    if have:
        yield pools.load(name, policy, have)
    for path, job in parts.items():
        piece = _read(path, name, policy, *job)
        if piece is None:
            pools.warn(f"{path} is broken and made again")
            piece = rollout(name, policy, *job)
        yield piece


def _assemble(pieces: Iterable[Episodes], count: int) -> Episodes:
    arrays: dict[str, NDArray[Any]] = {}
    done = 0
    for piece in pieces:
        own = piece.own_arrays()
        if not arrays:
            arrays = {name: np.empty((count, *array.shape[1:]), array.dtype) for name, array in own.items()}
        for name, array in own.items():
            arrays[name][done : done + len(piece)] = array
        done += len(piece)
    assert done == count
    return Episodes.of(arrays)


def _identity(name: str, policy: str, first: int, part: Episodes) -> str:
    """Name a part by its job and content, so that no other part passes for it."""
    return f"{name} {policy} {first} {part.fingerprint()}"


def _read(path: Path, name: str, policy: str, first: int, episodes: int) -> Episodes | None:
    """Read a part, or return None unless it proves to be that of the job."""
    try:
        check_regular(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            part = Episodes.of(arrays)
            proven = len(part) == episodes and str(arrays["identity"]) == _identity(name, policy, first, part)
    except Exception:  # NumPy raises nearly anything for a damaged file, after a crash of the machine for example
        return None
    return part if proven else None
