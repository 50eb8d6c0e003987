"""Records on disk: what was saved comes back, what is broken counts as missing, nothing is executed."""

from __future__ import annotations

import dataclasses
import math
import os
from pathlib import Path

import numpy as np
import pytest

from smore_sweep import record
from smore_sweep.outcomes import METRICS, Outcomes, discounted_return
from smore_sweep.record import DIVERGED, DONE, MISSING, PARTIAL, Record

RUN = "0123456789abcdef"


def outcomes(seed: int, episodes: int = 4, steps: int = 6) -> Outcomes:
    random = np.random.default_rng(seed)
    distances = random.random((episodes, steps), np.float32)
    return Outcomes(reached=distances < 0.5, succeeded=distances < 0.3, distances=distances)


def example(status: str = PARTIAL) -> Record:
    random = np.random.default_rng(0)
    return Record(
        content={
            "method": "SMORe",
            "knobs": {"beta": 0.1, "normalize_inputs": True},
            "seed": 3,
            "task": "Ünïcode · 5%",
        },
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


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def loaded(results: Path) -> Record:
    found = record.load(results, RUN)
    assert found is not None
    return found


@pytest.mark.parametrize("status", [PARTIAL, DONE, DIVERGED])
def test_round_trip(tmp_path: Path, status: str) -> None:
    before = example(status)
    record.save(tmp_path, RUN, before)
    assert_same(before, loaded(tmp_path))


def test_nan_metrics_of_a_diverged_run_survive(tmp_path: Path) -> None:
    before = example(DIVERGED)
    before.metrics[500]["score"] = math.nan
    record.save(tmp_path, RUN, before)
    assert math.isnan(loaded(tmp_path).metrics[500]["score"])


def test_summary_is_the_last_evaluations(tmp_path: Path) -> None:
    before = example(DONE)
    before.evaluations = {1000: outcomes(5), 250: outcomes(6)}  # by the number of updates, not by order
    record.save(tmp_path, RUN, before)
    assert loaded(tmp_path).summary() == outcomes(5).summary()
    assert set(before.summary()) == set(METRICS)


def test_state_follows_the_files_and_done_replaces_partial(tmp_path: Path) -> None:
    assert record.state(tmp_path, RUN) == MISSING
    assert record.load(tmp_path, RUN) is None
    folder = record.run_folder(tmp_path, RUN)

    record.save(tmp_path, RUN, example())
    assert record.state(tmp_path, RUN) == PARTIAL
    assert files(folder) == ["partial.npz"]

    later = example()
    later.update = 750
    record.save(tmp_path, RUN, later)
    assert loaded(tmp_path).update == 750
    assert files(folder) == ["partial.npz"]

    path = record.save(tmp_path, RUN, example(DONE))
    assert record.state(tmp_path, RUN) == DONE
    assert files(folder) == ["done.npz"]
    assert path == folder / "done.npz"


def test_a_kill_between_done_and_the_removal_of_partial_reads_as_done(tmp_path: Path) -> None:
    partial = record.save(tmp_path, RUN, example())
    kept = partial.read_bytes()
    record.save(tmp_path, RUN, example(DONE))
    partial.write_bytes(kept)
    assert record.state(tmp_path, RUN) == DONE
    assert loaded(tmp_path).status == DONE


@pytest.mark.parametrize("status", [PARTIAL, DONE])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.3, 0.7, 0.95, 0.999])
def test_a_truncated_file_counts_as_missing_and_is_removed(tmp_path: Path, status: str, share: float) -> None:
    path = record.save(tmp_path, RUN, example(status))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert record.load(tmp_path, RUN) is None
    assert not path.exists()
    assert record.state(tmp_path, RUN) == MISSING
    record.save(tmp_path, RUN, example(status))
    assert_same(example(status), loaded(tmp_path))


@pytest.mark.parametrize("status", [PARTIAL, DONE])
def test_a_corrupt_file_counts_as_missing(tmp_path: Path, status: str) -> None:
    """64 bytes overwritten at many places of a file of the right length: it loads whole, or it is gone."""
    path = record.save(tmp_path, RUN, example(status))
    whole = path.read_bytes()
    removed = 0
    for start in range(0, len(whole) - 64, max(1, len(whole) // 60)):
        path.write_bytes(whole[:start] + b"\xa5" * 64 + whole[start + 64 :])
        found = record.load(tmp_path, RUN)
        if found is None:
            removed += 1
            assert not path.exists()
    assert removed > 20


def test_a_broken_done_falls_back_on_partial(tmp_path: Path) -> None:
    kept = record.save(tmp_path, RUN, example()).read_bytes()
    done = record.save(tmp_path, RUN, example(DONE))
    done.write_bytes(done.read_bytes()[:100])
    (done.parent / "partial.npz").write_bytes(kept)
    assert loaded(tmp_path).status == PARTIAL
    assert not done.exists()
    assert record.state(tmp_path, RUN) == PARTIAL


class Bomb:
    """Unpickling it would raise."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('a record was unpickled')",)


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    path = record.save(tmp_path, RUN, example())
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["learner/S/w0"] = np.array([Bomb()], dtype=object)
    np.savez(path, allow_pickle=True, **arrays)
    with pytest.raises(SystemExit, match="unpickled"), np.load(path, allow_pickle=True) as archive:
        archive["learner/S/w0"]
    assert record.load(tmp_path, RUN) is None
    assert not path.exists()


def test_a_failed_save_leaves_the_old_file_and_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError("no space left on device")

    path = record.save(tmp_path, RUN, example())
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        record.save(tmp_path, RUN, example(DONE))
    assert files(path.parent) == ["partial.npz"]
    assert_same(example(), loaded(tmp_path))


def test_runs_do_not_share_files(tmp_path: Path) -> None:
    record.save(tmp_path, RUN, example())
    assert record.state(tmp_path, "f" * 16) == MISSING
    assert record.load(tmp_path, "f" * 16) is None


HAND = Outcomes(
    reached=np.array([[False, True, True], [False, False, True]]),
    succeeded=np.array([[True, True, False], [False, False, True]]),
    distances=np.array([[3.0, 2.0, 0.5], [9.0, 9.0, 1.5]], np.float32),
)


def test_summary_by_hand() -> None:
    summary = HAND.summary()
    assert set(summary) == set(METRICS)
    # Episodes (0, 1, 1) and (0, 0, 1): ((0.99 + 0.9801) + 0.9801)/2, ((0.98 + 0.9604) + 0.9604)/2 and so on.
    assert summary["return99"] == pytest.approx(1.4751, rel=1e-12)
    assert summary["return98"] == pytest.approx(1.4504, rel=1e-12)
    assert summary["return999"] == pytest.approx(1.497501, rel=1e-12)
    # Only the last step counts: the first episode leaves the goal again.
    assert summary["success"] == 0.5
    assert summary["final_distance"] == 1.0


def test_discounted_return_by_hand() -> None:
    assert discounted_return(np.array([[True]]), 0.5) == 1.0
    assert discounted_return(np.array([[True, True, True]]), 0.5) == 1.75
    assert discounted_return(np.zeros((3, 50), bool), 0.99) == 0.0
    # A policy that is always at the goal: (1 - 0.99^50) / 0.01
    assert discounted_return(np.ones((2, 50), bool), 0.99) == pytest.approx((1 - 0.99**50) / 0.01)
