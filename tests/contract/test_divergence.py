"""A run that diverges is recorded as such and stops; the other runs of its stack come to their end."""

from __future__ import annotations

import math

import torch

from smore_sweep.data.rollout import rollout
from smore_sweep.results.record import DIVERGED, DONE, Record
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.smore import SMORe
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.training.loop import build_learner, train

BUDGET = Budget(episodes=4, updates=4, batch_size=8, evaluate_every=2, evaluation_episodes=1, final_episodes=1)


def test_a_diverged_run_is_recorded_and_the_others_finish() -> None:
    runs = [
        RunSpec(method=SMORe(hidden=16), task="Reacher", expert_share=0.5, seed=seed, scale="test", budget=BUDGET)
        for seed in range(2)
    ]
    store = EpisodeStore.build(rollout("Reacher", "expert", 0, 2), rollout("Reacher", "random", 0, 2), 0.05)
    learner = build_learner(runs, store, torch.device("cpu"))
    policy = learner.nets["pi"]
    policy.by_member(policy.leaves(policy.flat.detach())["b0"])[0].fill_(math.nan)
    records = [Record(run.content()) for run in runs]
    kept: list[tuple[str, str, int]] = []
    train(
        runs,
        learner,
        records,
        keep=lambda batch: kept.extend((run_id, record.status, record.update) for run_id, record in batch),
        tick=lambda _: None,
    )
    first, second = (run.run_id for run in runs)
    assert kept == [(first, DIVERGED, 2), (second, "partial", 2), (second, DONE, 4)]
    assert not records[0].evaluations
    assert list(records[1].evaluations) == [2, 4]
