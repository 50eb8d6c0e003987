"""Episodes of a plan: the pools still to roll out, and the episode store of each task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from smore_sweep.data import generate, pools
from smore_sweep.episodes import Episodes, concatenate
from smore_sweep.errors import DatasetError
from smore_sweep.planning.plan import Plan
from smore_sweep.run_spec import GENERATED, RunSpec
from smore_sweep.tasks import pools_of, task

if TYPE_CHECKING:
    from smore_sweep.stacked.episode_store import EpisodeStore

Pool = tuple[str, str]
"""(task, policy)"""


def missing_episodes(plan: Plan) -> dict[Pool, int]:
    """Return the number of episodes that have to be rolled out before the pending runs can train, by pool.

    Raises:
        DatasetError: If imported episodes are missing, which cannot be rolled out, or existing ones were made as their
            task is not declared any more.
    """
    missing = {}
    for pool, count in plan.pools().items():
        available = pools.available(*pool, plan.source)
        if available < count and plan.source != GENERATED:
            raise pools.too_few(*pool, available, count, plan.source)
        if available < count:
            task(pool[0]).check_maker(pool[1])
            missing[pool] = count - available
        elif count and plan.source == GENERATED:
            generate.check_declaration(*pool)
    return missing


def build_stores(plan: Plan, episodes: dict[Pool, Episodes]) -> dict[str, tuple[EpisodeStore, dict[float, str]]]:
    """Return each pending task's episodes, and the fingerprint of the dataset at each expert share.

    Raises:
        DatasetError: If the pools of a task have episodes of unequal length.
    """
    from smore_sweep.stacked.episode_store import EpisodeStore

    stores = {}
    for name in dict.fromkeys(run.task for run, _ in plan.pending):
        expert, suboptimal = both_pools([episodes[pool] for pool in pools_of(name)])
        lengths = {pool.actions.shape[1] for pool in (expert, suboptimal) if len(pool)}
        if len(lengths) > 1:  # from different releases, say
            raise DatasetError(f"{name}: its pools have episodes of {sorted(lengths)} steps; import them again")
        by_share = {run.expert_share: run for run, _ in plan.pending if run.task == name}
        fingerprints = {share: dataset_fingerprint(run, expert, suboptimal) for share, run in by_share.items()}
        stores[name] = (
            EpisodeStore.build(expert, suboptimal, task(name).threshold, task(name).sizes.image),
            fingerprints,
        )
    return stores


def both_pools(pools: Sequence[Episodes]) -> tuple[Episodes, Episodes]:
    """Return the expert's and the suboptimal policy's episodes; a dataset of its own is one pool, the first."""
    expert, *others = pools
    return expert, others[0] if others else expert.first(0)


def dataset_fingerprint(run: RunSpec, expert: Episodes, suboptimal: Episodes) -> str:
    """Return the fingerprint of the episodes that a run trains on, from the pools of its task."""
    episodes = [expert.first(run.expert_episodes), suboptimal.first(run.budget.episodes - run.expert_episodes)]
    return concatenate(episodes).fingerprint()
