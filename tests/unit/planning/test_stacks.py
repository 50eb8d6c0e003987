"""Grouping of runs into few stacks that keep the workers busy."""

from __future__ import annotations

import random

import pytest

from baselines.gcsl import GCSL
from baselines.gofar import GoFAR
from smore_sweep.method import Method
from smore_sweep.planning.stacks import IMBALANCE, Stack, group_into_stacks, makespan
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.smore import SMORe

BUDGET = Budget(
    episodes=200, updates=1000, batch_size=64, evaluate_every=250, evaluation_episodes=5, final_episodes=20
)  # fmt: skip


def run(*, method: Method | None = None, task: str = "FetchReach", seed: int = 0, expert_share: float = 0.1) -> RunSpec:
    return RunSpec(
        method=method or SMORe(), task=task, expert_share=expert_share, seed=seed, scale="laptop", budget=BUDGET
    )


def random_pending(seed: int) -> list[tuple[RunSpec, int]]:
    source = random.Random(seed)
    pending = []
    for configuration in (SMORe(), SMORe(hidden=32), GoFAR()):
        for task in ("FetchReach", "Reacher"):
            for number in range(source.randint(0, 12)):
                share = source.choice([0.05, 0.1])
                start = source.choice([0, 0, 250])
                pending.append((run(method=configuration, task=task, seed=number, expert_share=share), start))
    return pending


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("slots", "largest"), [(1, 100), (2, 8), (4, 3), (7, 1), (100, 10)])
def test_stacks_hold_every_run_once_and_never_mix(seed: int, slots: int, largest: int) -> None:
    pending = random_pending(seed)
    stacks = group_into_stacks(pending, slots=slots, largest=largest)
    members = [(item.run_id, stack.start) for stack in stacks for item in stack.runs]
    assert sorted(members) == sorted((item.run_id, start) for item, start in pending)
    for stack in stacks:
        assert 1 <= len(stack.runs) <= largest
        assert len({item.stack_key for item in stack.runs}) == 1
    work = [stack.work for stack in stacks]
    assert work == sorted(work, reverse=True)
    assert len({stack.name for stack in stacks}) == len(stacks)


@pytest.mark.parametrize(("members", "slots"), [(8, 1), (8, 2), (8, 4), (8, 8), (9, 3), (100, 7)])
def test_a_group_is_spread_over_the_slots(members: int, slots: int) -> None:
    pending = [(run(seed=seed), 0) for seed in range(members)]
    stacks = group_into_stacks(pending, slots=slots, largest=1000)
    assert makespan(stacks, slots) <= IMBALANCE * sum(stack.work for stack in stacks) / slots
    if members % slots == 0:
        assert [len(stack.runs) for stack in stacks] == [members // slots] * slots


@pytest.mark.parametrize(("members", "slots", "sizes"), [(3, 2, [2, 1]), (9, 2, [5, 4]), (5, 4, [2, 1, 1, 1])])
def test_runs_that_cannot_be_spread_evenly_still_train_in_stacks(members: int, slots: int, sizes: list[int]) -> None:
    stacks = group_into_stacks([(run(seed=seed), 0) for seed in range(members)], slots=slots, largest=1000)
    assert [len(stack.runs) for stack in stacks] == sizes


def test_groups_of_unequal_length_are_split_no_further_than_single_runs_need() -> None:
    # 3,000 updates of SMORe and 500 of GoFAR on two workers take 2,000 at best, as single runs and as three stacks.
    pending = [*((run(seed=seed), 0) for seed in range(3)), (run(method=GoFAR()), 500)]
    stacks = group_into_stacks(pending, slots=2, largest=1000)
    assert [stack.member_updates for stack in stacks] == [2_000, 1_000, 500]


def test_the_method_with_the_slower_updates_is_spread() -> None:
    # An update of SMORe takes as long as five of GCSL.
    pending = [(run(method=kind(), seed=seed), 0) for kind in (GCSL, SMORe) for seed in range(10)]
    slow, fast = Stack((pending[-1][0],)), Stack((pending[0][0],))
    assert slow.member_updates == fast.member_updates
    assert slow.work > 5 * fast.work
    sizes = {
        name: [len(s.runs) for s in group_into_stacks(pending, slots=2, largest=1000) if s.runs[0].method.name == name]
        for name in ("SMORe", "GCSL")
    }
    assert sizes == {"SMORe": [5, 5], "GCSL": [10]}


def test_few_runs_are_not_split_below_one() -> None:
    stacks = group_into_stacks([(run(seed=seed), 0) for seed in range(3)], slots=16, largest=8)
    assert [len(stack.runs) for stack in stacks] == [1, 1, 1]
    assert group_into_stacks([], slots=2, largest=8) == []


@pytest.mark.parametrize(("largest", "sizes"), [(8, [5, 3]), (3, [3, 3, 2])])
def test_stacks_that_are_filled_up_are_split_by_their_size_alone(largest: int, sizes: list[int]) -> None:
    """On a GPU a piece of a stack costs as much as the stack."""
    pending = [(run(seed=seed, method=GCSL() if seed < 3 else None), 0) for seed in range(8)]
    stacks = group_into_stacks(pending, slots=16, largest=largest, filled=True)
    assert sorted((len(stack.runs) for stack in stacks), reverse=True) == sizes


def test_makespan_by_hand() -> None:
    # Stacks of 3, 2 and 2 members on two workers: 3 | 2 + 2.
    stacks = [Stack(tuple(run(seed=seed) for seed in range(count))) for count in (3, 2, 2)]
    assert makespan(stacks, 2) == stacks[1].work + stacks[2].work
    assert 2 * stacks[0].work == 3 * stacks[1].work
    assert Stack(stacks[0].runs, start=400).member_updates == 3 * 600
