"""A stack that is filled up to a fixed size trains its runs, and nothing else comes of the rest."""

from __future__ import annotations

import numpy as np
import torch

from smore_sweep.data.rollout import rollout
from smore_sweep.planning.stacks import padded_size
from smore_sweep.results.record import DONE, Record
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.smore import SMORe
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.training.loop import build_learner, load_records, train

BUDGET = Budget(episodes=4, updates=4, batch_size=8, evaluate_every=2, evaluation_episodes=1, final_episodes=1)
RUNS = [
    RunSpec(method=SMORe(hidden=16), task="Reacher", expert_share=0.5, seed=seed, scale="test", budget=BUDGET)
    for seed in range(2)
]
STORE = EpisodeStore.build(rollout("Reacher", "expert", 0, 2), rollout("Reacher", "random", 0, 2), 0.05)


def trained(padded: int | None, *, interrupted: bool = False) -> list[Record]:
    records = [Record(run.content()) for run in RUNS]

    class InterruptionError(Exception):
        pass

    def keep(batch: object) -> None:
        if interrupted and records[0].update == 2:
            raise InterruptionError

    for _ in range(2):
        learner = build_learner(RUNS, STORE, torch.device("cpu"), padded)
        load_records(learner, RUNS, records)
        try:
            train(RUNS, learner, records, keep=keep, tick=lambda _: None)
        except InterruptionError:
            interrupted = False
            continue
        return records
    raise AssertionError


def test_padding_changes_no_run_on_a_cpu_and_survives_a_resume() -> None:
    plain = trained(None)
    for records in (trained(5), trained(5, interrupted=True)):
        for record, expected in zip(records, plain, strict=True):
            assert record.status == DONE
            assert record.policy.keys() == expected.policy.keys()
            for name, array in record.policy.items():
                np.testing.assert_array_equal(array, expected.policy[name])
            np.testing.assert_array_equal(record.evaluations[4].distances, expected.evaluations[4].distances)


def test_the_padded_size_is_that_of_the_largest_group_of_the_sweep() -> None:
    others = [
        RunSpec(method=SMORe(hidden=8), task="Reacher", expert_share=0.5, seed=seed, scale="test", budget=BUDGET)
        for seed in range(5)
    ]
    assert padded_size([*RUNS, *others], 100) == 5
    assert padded_size([*RUNS, *others], 3) == 3
    assert padded_size(RUNS, 100) == 2
