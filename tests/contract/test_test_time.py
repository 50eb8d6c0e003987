"""Runs that differ in knobs of test time alone train once, and each is what it would be by itself."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from smore_sweep.data.rollout import rollout
from smore_sweep.errors import DeclarationError
from smore_sweep.method import Method, knob
from smore_sweep.monitoring.callback import Progress
from smore_sweep.monitoring.progress_reporter import ProgressReporter
from smore_sweep.monitoring.usage import Usage
from smore_sweep.planning.campaign import CampaignEntry
from smore_sweep.planning.estimate import estimate
from smore_sweep.planning.plan import Plan, make_plan
from smore_sweep.planning.stacks import Stack, describe_stacks, group_into_stacks, padded_size
from smore_sweep.results.record import DIVERGED, DONE, Record
from smore_sweep.run_spec import Budget, RunSpec, by_training
from smore_sweep.spec import Grid, Scale, Sweep, grid
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.training.learner import Learner
from smore_sweep.training.loop import build_learner, load_records, train
from tests.contract.best_of_noise import BestOfNoise

BUDGET = Budget(episodes=4, updates=8, batch_size=8, evaluate_every=4, evaluation_episodes=1, final_episodes=2)
SWEEP = Sweep(
    name="guided",
    description="for the tests",
    grids=[
        Grid(methods=grid(BestOfNoise, samples=[1, 4], her_ratio=[0.2, 0.8]), tasks=["Reacher"], expert_share=[0.5])
    ],
    scales={"tiny": Scale(tasks=["Reacher"], seeds=2, budget=BUDGET, knobs={"hidden": 16})},
)
RUNS = SWEEP.expand()
STORE = EpisodeStore.build(rollout("Reacher", "expert", 0, 2), rollout("Reacher", "random", 0, 2), 0.05)


class InterruptionError(Exception):
    pass


def trained(
    runs: Sequence[RunSpec], records: Sequence[Record] = (), *, stop: int = 0, padded: int | None = None, sick: int = -1
) -> list[Record]:
    """Train a stack, from records if there are some, as far as update ``stop`` or to the end."""
    records = records or [Record(run.content()) for run in runs]
    learner = build_learner(runs, STORE, torch.device("cpu"), padded)
    load_records(learner, runs, records)
    if sick >= 0:
        policy = learner.nets["pi"]
        policy.by_member(policy.leaves(policy.flat.detach())["b0"])[sick].fill_(np.nan)

    def keep(batch: Sequence[tuple[str, Record]]) -> None:
        if batch[0][1].update == stop:
            raise InterruptionError

    with contextlib.suppress(InterruptionError):
        train(runs, learner, records, keep=keep, tick=lambda _: None, keep_learner=True)
    return list(records)


def assert_same(record: Record, expected: Record) -> None:
    assert (record.content, record.status, list(record.evaluations)) == (
        expected.content, expected.status, list(expected.evaluations)
    )  # fmt: skip
    for update, outcomes in record.evaluations.items():
        for name, array in vars(outcomes).items():
            np.testing.assert_array_equal(array, getattr(expected.evaluations[update], name))
        losses, others = ({**each.metrics[update], "seconds": 0.0} for each in (record, expected))
        assert losses == others
    for kind in ("policy", "kept", "learner"):
        arrays, others = getattr(record, kind), getattr(expected, kind)
        assert arrays.keys() == others.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, others[name])


@pytest.fixture(scope="module")
def alone() -> list[Record]:
    return [trained([run])[0] for run in RUNS]


def test_the_knobs_are_of_the_content_and_not_of_the_training() -> None:
    assert len({run.run_id for run in RUNS}) == 8
    assert len({run.stack_key for run in RUNS}) == 1
    groups = by_training(RUNS)
    assert [len(each) for each in groups] == [2] * 4
    for each in groups:
        assert [run.method.samples for run in each] == [1, 4]  # type: ignore[attr-defined]
        assert len({(run.seed, run.method.her_ratio) for run in each}) == 1  # type: ignore[attr-defined]
        assert {run.training_id for run in each} == {each[1].run_id}  # of the default, 4


@pytest.mark.parametrize(("order", "padded"), [(range(8), None), (range(8), 5), ([7, 0, 3, 4, 1, 2, 6, 5], None)])
def test_a_stack_trains_once_and_each_run_is_as_by_itself(
    order: Sequence[int], padded: int | None, alone: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = []
    update = Learner.update

    def counting(learner: Learner) -> None:
        counted.append(learner.members)
        update(learner)

    monkeypatch.setattr(Learner, "update", counting)
    records = trained([RUNS[index] for index in order], padded=padded)
    assert counted == [padded or 4] * BUDGET.updates
    for index, record in zip(order, records, strict=True):
        assert record.status == DONE
        assert_same(record, alone[index])
    by_id = dict(zip(order, records, strict=True))
    one, four = (by_id[RUNS.index(run)].evaluations[8].distances for run in by_training(RUNS)[0])
    assert not np.array_equal(one, four)


def test_an_interrupted_stack_goes_on_whole_or_in_part(alone: list[Record]) -> None:
    partial = trained(RUNS, stop=4)
    assert [record.update for record in partial] == [4] * 8
    for chosen in ([5], [7, 0, 4]):
        again = trained(RUNS, stop=4)
        for index, record in zip(
            chosen, trained([RUNS[index] for index in chosen], [again[index] for index in chosen]), strict=True
        ):
            assert_same(record, alone[index])
    for record, expected in zip(trained(RUNS, partial), alone, strict=True):
        assert_same(record, expected)


def test_all_runs_of_a_diverged_training_have_diverged(alone: list[Record]) -> None:
    records = trained(RUNS, sick=1)
    groups = by_training(RUNS)
    for run, record, expected in zip(RUNS, records, alone, strict=True):
        assert record.status == (DIVERGED if run in groups[1] else DONE)
        if record.status == DONE:
            assert_same(record, expected)


@pytest.mark.parametrize(
    ("slots", "largest", "sizes"), [(1, 10, [8]), (2, 10, [4, 4]), (1, 3, [4, 4]), (9, 10, [2] * 4)]
)
def test_stacks_are_split_between_trainings(slots: int, largest: int, sizes: list[int]) -> None:
    stacks = group_into_stacks([(run, 0) for run in RUNS], slots=slots, largest=largest)
    assert [len(stack.runs) for stack in stacks] == sizes
    assert sorted(run.run_id for stack in stacks for run in stack.runs) == sorted(run.run_id for run in RUNS)
    assert sum(len(stack.members) for stack in stacks) == 4
    assert sum(stack.member_updates for stack in stacks) == 4 * BUDGET.updates
    assert padded_size(RUNS, 100) == 4
    assert describe_stacks(stacks).endswith(" (runs that differ in knobs of test time alone train once)")


def test_plans_count_a_training_once(tmp_path: Path) -> None:
    plan = make_plan(SWEEP, None, tmp_path)
    fewer = Plan(SWEEP, plan.scale, plan.source, [each[0] for each in by_training(RUNS)], plan.states, {})
    assert plan.pending_trainings == fewer.pending
    assert CampaignEntry(plan, plan).member_updates == 4 * BUDGET.updates
    whole, part = estimate(plan, {}, 2), estimate(fewer, {}, 2)
    assert whole.training == part.training > 0
    assert whole.evaluation == pytest.approx(2 * part.evaluation)
    assert Stack(tuple(RUNS)).work == 4 * Stack((RUNS[0],)).work


def test_progress_is_that_of_trainings(tmp_path: Path) -> None:
    stacks = group_into_stacks([(run, 0) for run in RUNS], slots=2, largest=10)
    out = Console(file=io.StringIO())
    with ProgressReporter(out, make_plan(SWEEP, None, tmp_path), stacks, 2, tmp_path / "live.json") as view:
        view.on_progress(Progress(0, 4, 8, 4 * 8, 4, 8, None, 1.0, 0.0, Usage("node", 0.5, None)))
        view.on_stack_end(0)
        seen = view._snapshot("")
    assert seen.share == 0.5
    assert sum(view._done) == 2 * BUDGET.updates


def test_a_knob_is_of_training_or_of_test_time() -> None:
    with pytest.raises(DeclarationError, match="and not both"):
        knob("w", default=1.0, stackable=True, test_time=True)
    assert BestOfNoise(samples=8, step=1.0, hidden=16).as_trained() == BestOfNoise(hidden=16)
    method: Method = BestOfNoise(hidden=16)
    assert method.as_trained() is method
