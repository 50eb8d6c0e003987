"""Evaluations that overlap training: the same records, in the same order, as those done in between."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import ray
import torch

from smore_sweep.data.rollout import rollout
from smore_sweep.execution.cluster import connected
from smore_sweep.execution.evaluators import EvaluatorLostError, Evaluators, _Parts
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import DIVERGED, DONE, Record
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.smore import SMORe
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.task import Task
from smore_sweep.training import loop
from smore_sweep.training.assessment import Assess, Policies, assess_here, evaluate_arrays

BUDGET = Budget(episodes=4, updates=8, batch_size=8, evaluate_every=2, evaluation_episodes=2, final_episodes=3)
RUNS = [
    RunSpec(method=SMORe(hidden=16), task="Reacher", expert_share=0.5, seed=seed, scale="test", budget=BUDGET)
    for seed in range(3)
]
STORE = EpisodeStore.build(rollout("Reacher", "expert", 0, 2), rollout("Reacher", "random", 0, 2), 0.05)


def trained(assess: Assess, *, diverging: bool = False) -> tuple[list[Record], list[tuple[str, str, int]]]:
    """Return the records, and what was kept in which order."""
    records = [Record(run.content()) for run in RUNS]
    kept: list[tuple[str, str, int]] = []

    def keep(batch: Sequence[tuple[str, Record]]) -> None:
        kept.extend((run_id, record.status, record.update) for run_id, record in batch)

    learner = loop.build_learner(RUNS, STORE, torch.device("cpu"))
    if diverging:
        policy = learner.nets["pi"]
        policy.by_member(policy.leaves(policy.flat.detach())["b0"])[1].fill_(np.nan)
    loop.train(RUNS, learner, records, keep=keep, tick=lambda _: None, assess=assess)
    return records, kept


def assert_same(records: Sequence[Record], expected: Sequence[Record]) -> None:
    for record, other in zip(records, expected, strict=True):
        assert (record.status, list(record.evaluations)) == (other.status, list(other.evaluations))
        assert [line[24:].partition(" after ")[0] for line in record.log] == [
            line[24:].partition(" after ")[0] for line in other.log
        ]
        for update, outcomes in record.evaluations.items():
            for name, array in vars(outcomes).items():
                np.testing.assert_array_equal(array, getattr(other.evaluations[update], name))
        assert record.policy.keys() == other.policy.keys()
        for name, array in record.policy.items():
            np.testing.assert_array_equal(array, other.policy[name])


@pytest.fixture(scope="module")
def ray_of_two() -> Iterator[None]:
    with connected(None, 0, cpus=2):
        yield


@pytest.mark.parametrize("diverging", [False, True])
def test_overlapped_evaluations_give_the_same_records(ray_of_two: None, diverging: bool) -> None:
    expected, order = trained(assess_here, diverging=diverging)
    records, kept = trained(Evaluators(2), diverging=diverging)
    assert kept == order
    assert_same(records, expected)
    assert {record.status for record in records} == ({DONE, DIVERGED} if diverging else {DONE})


def test_what_fails_in_an_evaluator_is_not_taken_for_the_recorders_end(ray_of_two: None) -> None:
    """The stack's worker ends the sweep where Ray's errors come from the recorder."""

    def work(how: str) -> None:
        if how == "raises":
            raise ValueError("no such joint")
        os._exit(1)

    actor = ray.remote(max_retries=0)(work)
    for how, kind, said in (("raises", ValueError, "no such joint"), ("ends", EvaluatorLostError, "died unexpectedly")):
        with pytest.raises(kind, match=said) as failure:
            _Parts([actor.remote(how)]).result()
        assert not isinstance(failure.value, ray.exceptions.RayError)


class Late:
    """An evaluation that is done only when somebody waits for it."""

    under_way = most = started = 0

    def __init__(self, policies: Policies, task: Task, episodes: int) -> None:
        self._arguments = policies, task, episodes
        Late.started += 1
        Late.under_way += 1
        Late.most = max(Late.most, Late.under_way)

    def ready(self) -> bool:
        return False

    def result(self) -> dict[int, Outcomes]:
        Late.under_way -= 1
        return evaluate_arrays(*self._arguments)


def test_at_most_one_evaluation_is_under_way_and_a_snapshot_does_not_move() -> None:
    expected, order = trained(assess_here)
    records, kept = trained(Late)
    assert (Late.started, Late.most) == (4, 1)
    assert kept == order
    assert_same(records, expected)


def test_a_crash_loses_the_stretch_under_way_and_no_record_runs_ahead_of_its_evaluation() -> None:
    def broken(policies: Policies, task: Task, episodes: int) -> Late:
        if broken_at.pop():
            raise RuntimeError("lost")
        return Late(policies, task, episodes)

    broken_at = [True, False, False]  # from the end: the third evaluation cannot start
    kept: list[int] = []
    records = [Record(run.content()) for run in RUNS]
    learner = loop.build_learner(RUNS, STORE, torch.device("cpu"))
    with pytest.raises(RuntimeError, match="lost"):
        loop.train(
            RUNS, learner, records, tick=lambda _: None, assess=broken,
            keep=lambda batch: kept.append(batch[0][1].update),
        )  # fmt: skip
    assert kept == [2, 4]
    assert [(record.update, list(record.evaluations)) for record in records] == [(4, [2, 4])] * 3
    resumed = loop.build_learner(RUNS, STORE, torch.device("cpu"))
    loop.load_records(resumed, RUNS, records)
    loop.train(RUNS, resumed, records, keep=lambda _: None, tick=lambda _: None)
    expected, _ = trained(assess_here)
    for record, other in zip(records, expected, strict=True):
        np.testing.assert_array_equal(record.evaluations[8].distances, other.evaluations[8].distances)


class Soon(Late):
    """An evaluation that is done when somebody asks for the second time."""

    asked = 0

    def ready(self) -> bool:
        self.asked += 1
        return self.asked == 2


def test_records_are_kept_as_soon_as_their_outcomes_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    expected, _ = trained(assess_here)
    records = [Record(run.content()) for run in RUNS]
    learner = loop.build_learner(RUNS, STORE, torch.device("cpu"))
    steps: list[tuple[int, int]] = []
    loop.train(
        RUNS, learner, records, tick=lambda _: None, assess=Soon,
        keep=lambda batch: steps.append((batch[0][1].update, int(learner.step))),
    )  # fmt: skip
    assert steps == [(2, 3), (4, 5), (6, 7), (8, 8)]
    assert_same(records, expected)
