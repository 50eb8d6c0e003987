"""Records on disk and in an object store: they survive the round trip, broken ones count as missing, and reading one
executes nothing."""

from __future__ import annotations

import dataclasses
import errno
import io
import math
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smore_sweep.errors import UserError
from smore_sweep.hashing import digest
from smore_sweep.results import run_files
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import DIVERGED, DONE, MISSING, PARTIAL, Record
from smore_sweep.storage.paths import StoragePath
from smore_sweep.task import METRICS

CONTENT: dict[str, Any] = {
    "method": "SMORe",
    "knobs": {"beta": 0.1, "normalize_inputs": True},
    "seed": 3,
    "task": "Ünïcode · 5%",
}
RUN = digest(CONTENT)


def outcomes(seed: int, episodes: int = 4, steps: int = 6) -> Outcomes:
    random = np.random.default_rng(seed)
    distances = random.random((episodes, steps), np.float32)
    return Outcomes(reached=distances < 0.5, succeeded=distances < 0.3, distances=distances)


def example(status: str = PARTIAL, content: dict[str, Any] = CONTENT) -> Record:
    random = np.random.default_rng(0)
    return Record(
        content=content,
        status=status,
        update=500,
        seconds=12.345678901234567,
        facts={"device": "cpu", "torch": "2.13"},
        metrics={250: {"score": 0.1 + 0.2, "value": math.inf}, 500: {"score": -1e-30, "value": 2.0}},
        evaluations={250: outcomes(1), 500: outcomes(2, episodes=7)},
        learner={
            "S/w0": random.normal(size=(2, 5, 3)).astype(np.float32),
            "S/w0/square": np.array([[np.nan, -0.0, 1e-40]], np.float32),
            "M/b0": random.normal(size=(4, 6)).astype(np.float32).T,
        },
        policy={
            "w0": random.normal(size=(1, 5, 3)).astype(np.float32),
            "goals/mean": random.normal(size=(1, 3)).astype(np.float32),
        },
        log=["started", "failed: ValueError: ä\n  a traceback"],
    )


def assert_same(first: Record, second: Record) -> None:
    for field in dataclasses.fields(Record):
        if field.name not in ("evaluations", "learner", "policy"):
            assert getattr(first, field.name) == getattr(second, field.name)
    for kept, found in ((first.learner, second.learner), (first.policy, second.policy)):
        assert kept.keys() == found.keys()
        for name, array in kept.items():
            assert found[name].dtype == np.float32
            assert array.tobytes() == found[name].tobytes()
    assert first.evaluations.keys() == second.evaluations.keys()
    for update, before in first.evaluations.items():
        for name, array in vars(before).items():
            after = getattr(second.evaluations[update], name)
            assert after.dtype == array.dtype
            assert np.array_equal(after, array)


def files(folder: StoragePath) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def loaded(results: StoragePath) -> Record:
    found = run_files.load(results, RUN)
    assert found is not None
    return found


@pytest.mark.parametrize("status", [PARTIAL, DONE, DIVERGED])
def test_round_trip(results: StoragePath, status: str) -> None:
    before = example(status)
    run_files.save(results, RUN, before)
    assert_same(before, loaded(results))


def test_nan_metrics_of_a_diverged_run_survive(results: StoragePath) -> None:
    before = example(DIVERGED)
    before.metrics[500]["score"] = math.nan
    run_files.save(results, RUN, before)
    assert math.isnan(loaded(results).metrics[500]["score"])


def test_summary_is_the_last_evaluations(results: StoragePath) -> None:
    before = example(DONE)
    before.update = 1000
    before.evaluations = {1000: outcomes(5), 250: outcomes(6)}  # by the number of updates, not by order
    run_files.save(results, RUN, before)
    assert loaded(results).summary() == outcomes(5).summary()
    assert set(before.summary()) == set(METRICS)


def test_state_follows_the_files_and_done_replaces_partial(results: StoragePath) -> None:
    assert run_files.state(results, RUN) == MISSING
    assert run_files.load(results, RUN) is None
    folder = run_files.run_folder(results, RUN)

    run_files.save(results, RUN, example())
    assert run_files.state(results, RUN) == PARTIAL
    assert files(folder) == ["partial.npz"]

    later = example()
    later.update = 750
    run_files.save(results, RUN, later)
    assert loaded(results).update == 750
    assert files(folder) == ["partial.npz"]

    path = run_files.save(results, RUN, example(DONE))
    assert run_files.state(results, RUN) == DONE
    assert files(folder) == ["done.npz"]
    assert path == folder / "done.npz"


def test_a_kill_between_done_and_the_removal_of_partial_reads_as_done(results: StoragePath) -> None:
    partial = run_files.save(results, RUN, example())
    kept = partial.read_bytes()
    run_files.save(results, RUN, example(DONE))
    partial.write_bytes(kept)
    assert run_files.state(results, RUN) == DONE
    assert loaded(results).status == DONE


@pytest.mark.parametrize("status", [PARTIAL, DONE])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.3, 0.7, 0.95, 0.999])
def test_a_truncated_file_counts_as_missing_and_is_removed(results: StoragePath, status: str, share: float) -> None:
    path = run_files.save(results, RUN, example(status))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert run_files.load(results, RUN) is None
    assert not path.exists()
    assert run_files.state(results, RUN) == MISSING
    run_files.save(results, RUN, example(status))
    assert_same(example(status), loaded(results))


@pytest.mark.parametrize("status", [PARTIAL, DONE])
def test_a_corrupt_file_counts_as_missing(tmp_path: Path, status: str) -> None:
    """After overwriting 64 bytes anywhere in a file, it loads intact or counts as missing."""
    path = run_files.save(tmp_path, RUN, example(status))
    whole = path.read_bytes()
    removed = 0
    for start in range(0, len(whole) - 64, max(1, len(whole) // 60)):
        path.write_bytes(whole[:start] + b"\xa5" * 64 + whole[start + 64 :])
        found = run_files.load(tmp_path, RUN)
        if found is None:
            removed += 1
            assert not path.exists()
    assert removed > 20


def test_a_broken_done_falls_back_on_partial(results: StoragePath) -> None:
    kept = run_files.save(results, RUN, example()).read_bytes()
    done = run_files.save(results, RUN, example(DONE))
    done.write_bytes(done.read_bytes()[:100])
    (done.parent / "partial.npz").write_bytes(kept)
    assert loaded(results).status == PARTIAL
    assert not done.exists()
    assert run_files.state(results, RUN) == PARTIAL


@pytest.mark.parametrize(
    ("error", "said"),
    [(OSError(errno.EIO, os.strerror(errno.EIO)), "Input/output error"), (MemoryError(), "too little memory is free")],
)
def test_a_machine_in_trouble_says_nothing_of_the_file(
    error: Exception, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = run_files.save(tmp_path, RUN, example(DONE))

    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(zipfile, "ZipFile", fail)
        with pytest.raises(UserError, match=rf"done\.npz cannot be read: {said}"):
            run_files.load(tmp_path, RUN)
    assert loaded(tmp_path).status == DONE
    assert list(path.parent.iterdir()) == [path]


class Bomb:
    """An object that raises when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('a record was unpickled')",)


def test_pickled_objects_are_refused(results: StoragePath) -> None:
    path = run_files.save(results, RUN, example())
    with np.load(io.BytesIO(path.read_bytes())) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["learner/S/w0"] = np.array([Bomb()], dtype=object)
    bomb = io.BytesIO()
    np.savez(bomb, allow_pickle=True, **arrays)
    path.write_bytes(bomb.getvalue())
    with (
        pytest.raises(SystemExit, match="unpickled"),
        np.load(io.BytesIO(bomb.getvalue()), allow_pickle=True) as archive,
    ):
        archive["learner/S/w0"]
    assert run_files.load(results, RUN) is None
    assert not path.exists()


def test_a_failed_save_leaves_the_old_file_and_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError("no space left on device")

    path = run_files.save(tmp_path, RUN, example())
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        run_files.save(tmp_path, RUN, example(DONE))
    assert files(path.parent) == ["partial.npz"]
    assert_same(example(), loaded(tmp_path))


def test_runs_do_not_share_files(results: StoragePath) -> None:
    run_files.save(results, RUN, example())
    assert run_files.state(results, "f" * 16) == MISSING
    assert run_files.load(results, "f" * 16) is None


def test_states_and_summaries_of_many_runs(results: StoragePath) -> None:
    contents = {letter: CONTENT | {"seed": seed} for seed, letter in enumerate("abcdef")}
    ids = {letter: digest(content) for letter, content in contents.items()}
    run_files.save(results, ids["a"], example(DONE, contents["a"]))
    run_files.save(results, ids["b"], example(PARTIAL, contents["b"]))
    run_files.save(results, ids["c"], example(DIVERGED, contents["c"]))
    broken = run_files.save(results, ids["d"], example(PARTIAL, contents["d"]))
    broken.write_bytes(broken.read_bytes()[:50] + b"x" * 50 + broken.read_bytes()[100:])  # of the right length
    runs = [ids[letter] for letter in "fedcba"]
    wanted = dict(zip(runs, [MISSING, MISSING, MISSING, DONE, PARTIAL, DONE], strict=True))
    assert run_files.states(results, runs) == wanted
    assert run_files.run_ids(results) == sorted(ids[letter] for letter in "abcd")
    assert broken.exists()  # looking moves nothing

    found = run_files.peek_each(results, runs)
    assert {run: summary.status for run, summary in found.items()} == {
        ids["a"]: DONE, ids["b"]: PARTIAL, ids["c"]: DIVERGED,
    }  # fmt: skip
    assert found[ids["a"]].evaluations[500] == outcomes(2, episodes=7).summary()
    assert run_files.state(results, ids["d"]) == MISSING
    assert (broken.parent / "partial.npz.broken").exists()
    assert run_files.peek_each(results, ["f" * 16]) == {}
    again = run_files.load_each(results, runs)
    assert again.keys() == found.keys()
    assert_same(example(DIVERGED, contents["c"]), again[ids["c"]])


def test_what_is_published_is_remembered_for_each_tracking_store(results: StoragePath) -> None:
    contents = [CONTENT | {"seed": seed} for seed in range(2)]
    one, other = map(digest, contents)
    for content in contents:
        run_files.save(results, digest(content), example(DONE, content))
    run_files.note_published(results, one, "http://user:secret@tracking")
    assert run_files.published(results, [one, other], "http://user:secret@tracking") == {one}
    assert run_files.published(results, [one, other], "sqlite:////mlflow.db") == set()
    assert not [path for path in (results / "runs" / one).iterdir() if "secret" in path.name]
