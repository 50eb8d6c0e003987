"""A trial of Tune, in the process of the test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace
from typing import Any

import pytest
import ray
import torch
from ray import tune

from smore_sweep.bench.synthetic import QUICK_TASK, make_store
from smore_sweep.execution import shipping, trainable
from smore_sweep.planning.stacks import Stack
from smore_sweep.results import run_files
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import DIVERGED, DONE, PARTIAL, Record, Summary
from smore_sweep.results.record_writer import RecordWriter
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.smore import SMORe
from smore_sweep.training import loop
from smore_sweep.training.learner import Learner

BUDGET = Budget(episodes=20, updates=8, batch_size=8, evaluate_every=2, evaluation_episodes=1, final_episodes=1)
RUNS = tuple(
    RunSpec(method=SMORe(hidden=8), task=QUICK_TASK, expert_share=0.05, seed=seed, scale="test", budget=BUDGET)
    for seed in range(3)
)
STACK = Stack(RUNS)
IDS = [run.run_id for run in RUNS]
STORE = make_store(20, 0, QUICK_TASK)


class Actor:
    """Calls a record writer as if it were an actor."""

    def __init__(self, writer: RecordWriter) -> None:
        self._writer = writer

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=getattr(self._writer, name))


def trial(
    recorder: Any,
    monkeypatch: pytest.MonkeyPatch,
    *,
    gpu: bool = False,
    padded: int | None = None,
    compared: bool = False,
) -> list[dict[str, Any]]:
    """Run the trial of the stack; return what it reports."""
    reported: list[dict[str, Any]] = []
    monkeypatch.setattr(tune, "report", reported.append)
    monkeypatch.setattr(ray, "get", lambda result: result)
    monkeypatch.setattr(trainable, "machine_facts", lambda _: {})
    packed = shipping.pack(([STACK], {}, {run.run_id: {} for run in RUNS}))
    monkeypatch.setattr(trainable, "code_facts", lambda _: {})
    trainable._train_stack(
        {"stack": 0}, packed, shared={QUICK_TASK: (STORE, {0.05: "x"})}, recorder=recorder, git="0", gpu=gpu,
        padded=padded, updates="auto", evaluators=0, keep_learner=False, compared=compared, history=[()],
    )  # fmt: skip
    return reported


def compared(reported: Sequence[dict[str, Any]]) -> dict[int, Any]:
    """Return the return at each update, or the divergence, that reports tell a scheduler."""
    return {each["update"]: each.get(DIVERGED) or each["return99"] for each in reported if "update" in each}


def advance(results: Path, run: RunSpec, until: int) -> None:
    """Train a run up to an evaluation."""
    record = Record(run.content())
    learner = loop.build_learner([run], STORE, torch.device("cpu"))
    loop.train([run], learner, [record], keep=lambda _: None, tick=lambda _: None, until=until)
    assert (record.update, record.status) == (until, PARTIAL)
    run_files.save(results, run.run_id, record)


def test_a_gpu_that_pytorch_cannot_use_stops_the_sweep_with_that_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (report,) = trial(None, monkeypatch, gpu=True)
    assert "given a GPU that its PyTorch cannot use; install a CUDA build" in report["stop"]


def test_seeds_that_are_added_catch_up_and_a_search_compares_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance(tmp_path, RUNS[0], 4)
    batches: list[tuple[int, int]] = []

    class Writer(RecordWriter):
        def keep(self, records: Sequence[tuple[str, Record]]) -> None:
            batches.append((records[0][1].update, len(records)))
            super().keep(records)

    reported = compared(trial(Actor(Writer(tmp_path)), monkeypatch, compared=True))
    assert batches == [(2, 2), (4, 2), (6, 3), (8, 3)]
    stored = run_files.peek_each(tmp_path, IDS)
    assert {summary.status for summary in stored.values()} == {DONE}
    assert reported == {
        update: fmean(stored[run_id].evaluations[update]["return99"] for run_id in IDS) for update in (2, 4, 6, 8)
    }


def test_nothing_is_compared_where_a_seed_is_ahead_alone_or_nobody_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = Outcomes.__new__(Outcomes)
    monkeypatch.setattr(Outcomes, "summary", lambda _: {"return99": 1.0})
    record, ahead = Record({}, evaluations={2: outcomes}), Summary(PARTIAL, 4, 0.0, {}, {2: {"return99": 4.0}})
    assert trainable._point(2, [record], [ahead], 2) == {"update": 2, "return99": 2.5}
    assert trainable._point(2, [record], [], 2) == {}
    assert trainable._point(4, [record], [ahead], 2) == {}


def test_a_trial_says_that_a_seed_has_diverged_before_it_trains_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_files.save(tmp_path, IDS[0], Record(RUNS[0].content(), DIVERGED, 2))
    assert compared(trial(Actor(RecordWriter(tmp_path)), monkeypatch, compared=True))[0] is True
    assert compared(trial(Actor(RecordWriter(tmp_path)), monkeypatch)) == {}


@pytest.mark.parametrize(("padded", "sizes"), [(8, [8, 4, 2, 2]), (None, [3, 1, 1, 1])])
def test_a_stack_that_a_gpu_has_no_room_for_is_trained_in_parts(
    padded: int | None, sizes: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial(Actor(RecordWriter(tmp_path / "whole")), monkeypatch)
    tried: list[int] = []
    update = Learner.update

    def crowded(self: Learner) -> None:
        if not self.step:
            tried.append(self.members)
        if self.members > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        update(self)

    monkeypatch.setattr(Learner, "update", crowded)
    writer = RecordWriter(tmp_path / "parts")
    reported = trial(Actor(writer), monkeypatch, padded=padded)
    assert tried == sizes
    assert not writer.failures
    assert f"a stack of {sizes[0]} is too large for the GPU's memory" in next(
        r["news"][0] for r in reported if "news" in r
    )
    for run_id in IDS:
        whole, parts = (run_files.load(tmp_path / each, run_id) for each in ("whole", "parts"))
        assert whole is not None
        assert parts is not None
        assert parts.status == DONE
        assert all((array == parts.policy[name]).all() for name, array in whole.policy.items())


def test_a_run_that_does_not_fit_by_itself_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crowded(self: Learner) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Learner, "update", crowded)
    writer = RecordWriter(tmp_path)
    trial(Actor(writer), monkeypatch)
    assert set(writer.failures) == set(IDS)
    assert "CUDA out of memory; give a smaller --stack-size" in writer.failures[IDS[0]]
