"""Describe and hash one run.

A run's id is a hash of its content: method, task, data, seed, budget and evaluation. How it is executed is no part of
it (:mod:`smore_sweep.planning.stacks`). Only the standard library is imported here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from smore_sweep.errors import DeclarationError
from smore_sweep.hashing import digest
from smore_sweep.method import Method, stackable_knobs, test_time_knobs
from smore_sweep.tasks import declared_content, find_task, task

if TYPE_CHECKING:
    from smore_sweep.task import Task

PROTOCOL = 1
"""Version in every run's content. Raise it when the meaning of data, training or evaluation changes."""

ONLINE = ("online_episodes", "updates_per_episode")
"""Fields of a budget that runs without an online phase do not have."""

GENERATED = "generated"
"""Source of data that are rolled out here, by the shipped experts and a uniform-random policy."""


def check_source(source: str) -> None:
    """Check the name of a source of data, which is part of folder names.

    Raises:
        DeclarationError: If it holds other characters than lower-case letters, digits, - and _, or more than 64.
    """
    if len(source) > 64:
        raise DeclarationError(f"source {source[:20]!r}... of {len(source)} characters is not valid; use at most 64")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", source):
        raise DeclarationError(f"source {source!r} is not valid; use lower-case letters, digits, - and _")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Size of a run.

    Attributes:
        episodes: Episodes in the dataset, N.
        updates: Gradient updates, of both phases.
        batch_size: Transitions per update and distribution.
        evaluate_every: Updates between evaluations.
        evaluation_episodes: Episodes of an evaluation on the way.
        final_episodes: Episodes of the evaluation after the last update.
        online_episodes: Episodes that the run collects itself, for methods that go on online; 0 for none.
        updates_per_episode: Updates after each of these. The last ``online_episodes * updates_per_episode`` updates are
            the online phase.
    """

    episodes: int
    updates: int
    batch_size: int
    evaluate_every: int
    evaluation_episodes: int
    final_episodes: int
    online_episodes: int = 0
    updates_per_episode: int = 0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least = 0 if name in ONLINE else 1
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise DeclarationError(
                    f"budget: {name} = {value!r} is not valid; it must be a whole number of at least {least}"
                )
        if bool(self.online_episodes) != bool(self.updates_per_episode):
            raise DeclarationError(
                f"budget: online_episodes = {self.online_episodes} with updates_per_episode = "
                f"{self.updates_per_episode} is not valid; give both or none"
            )
        if self.offline_updates < 1:
            raise DeclarationError(
                f"budget: updates = {self.updates} is not valid; {self.online_episodes} online episodes with "
                f"{self.updates_per_episode} updates each leave none to learn offline"
            )

    @property
    def offline_updates(self) -> int:
        """Updates before the online phase, or all if there is none."""
        return self.updates - self.online_episodes * self.updates_per_episode

    def rolled_out(self, behind: int) -> int:
        """Return the episodes that a run still rolls out after so many updates, to evaluate and to collect."""
        rounds = (self.updates - behind) // self.evaluate_every
        left = min(self.updates - behind, self.updates - self.offline_updates)
        collected = left // self.updates_per_episode if left else 0
        return max(rounds - 1, 0) * self.evaluation_episodes + self.final_episodes + collected

    def content(self) -> dict[str, int]:
        """Return the fields that make up a run's content: those of the online phase if there is one."""
        return {name: value for name, value in vars(self).items() if self.online_episodes or name not in ONLINE}


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One run: method configuration, task, data, seed, budget and evaluation."""

    method: Method
    task: str
    expert_share: float
    seed: int
    scale: str
    budget: Budget
    source: str = GENERATED
    declared: Method | None = field(default=None, compare=False)
    """The configuration as its sweep declared it, before task and scale set their knobs. It names the run and is no
    part of its content."""

    def __post_init__(self) -> None:
        share: object = self.expert_share
        if not isinstance(share, (int, float)) or isinstance(share, bool) or not 0.0 <= share <= 1.0:
            raise DeclarationError(
                f"{self.task}: expert_share = {self.expert_share!r} is not valid; it must be in [0, 1]"
            )
        object.__setattr__(self, "expert_share", float(share))  # 1 and 1.0 are one run
        if self.expert_share > 0 and self.expert_episodes == 0:
            raise DeclarationError(
                f"{self.task}: {self.expert_share:g} of {self.budget.episodes} episodes is less than one expert episode"
            )
        row = find_task(self.task)
        if row and self.method.whole_goals and row.sizes.goal != row.sizes.observation:
            raise DeclarationError(
                f"{self.task}: {self.method.name} needs goals that are whole observations; here a goal has "
                f"{row.sizes.goal} numbers and an observation {row.sizes.observation}"
            )
        if self.expert_share < 1.0 and row and row.dataset:
            raise DeclarationError(
                f"{self.task}: expert_share = {self.expert_share:g} is not valid; its data are one dataset, "
                f"{row.dataset!r}: leave it at 1"
            )
        if row and row.sizes.image and self.method.fields().get("moved_share"):
            raise DeclarationError(
                f"{self.task}: moved_share is not for {self.method.name} on images, between which distances say nothing"
            )
        if self.budget.online_episodes:
            self._check_online(row)
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or self.seed < 0:
            raise DeclarationError(
                f"{self.task}: seed = {self.seed!r} is not valid; it must be a whole number of at least 0"
            )
        check_source(self.source)

    def _check_online(self, row: Task | None) -> None:
        """Raise :class:`DeclarationError` if the run cannot go on online."""
        online = f"{self.task}: online_episodes = {self.budget.online_episodes} is not valid"
        if not self.method.learns_online:
            raise DeclarationError(f"{online}; {self.method.name} learns from its dataset alone: leave it at 0")
        if row and (row.goals != 1 or row.sizes.image):
            raise DeclarationError(
                f"{online}; {self.method.name} goes on online for one goal and from vectors, so it needs a task with "
                "goals=1 and without images, such as pointmaze-medium-navigate-singletask-task2"
            )

    @property
    def expert_episodes(self) -> int:
        """Number of expert episodes among N, ``int(N x)`` (the released rule)."""
        return int(round(self.budget.episodes * self.expert_share, 6))

    def content(self) -> dict[str, Any]:
        """Return the run's content as plain JSON types."""
        revision = self.method.revision
        return {
            "protocol": PROTOCOL,
            **({"revision": revision} if revision > 1 else {}),
            "method": self.method.name,
            "knobs": self.method.content(),
            "task": self.task,
            **({"declared_task": own} if (own := declared_content(self.task)) else {}),
            "source": self.source,
            "expert_share": self.expert_share,
            "seed": self.seed,
            "scale": self.scale,
            "budget": self.budget.content(),
        }

    @cached_property
    def run_id(self) -> str:
        """Hash of :meth:`content`, 16 hexadecimal digits."""
        return digest(self.content())

    @cached_property
    def stack_key(self) -> str:
        """Key that runs of one stack share."""
        content = self.content()
        kind = type(self.method)
        for name in (*stackable_knobs(kind), *test_time_knobs(kind)):
            content["knobs"].pop(name, None)
        return digest({k: v for k, v in content.items() if k not in ("seed", "expert_share", "revision")})

    @cached_property
    def training_id(self) -> str:
        """Id that runs share if they differ in knobs of test time alone. One member of a stack trains for them all."""
        trained = self.method.as_trained()
        return self.run_id if trained is self.method else replace(self, method=trained).run_id

    @property
    def named(self) -> Method:
        """Configuration that names the run."""
        return self.declared or self.method

    @property
    def title(self) -> str:
        """Readable name, ``SMORe · FetchReach · 5% · s3``, followed by the source unless it is generated here."""
        own = f"{self.named.label} · {self.task} · {percent(self.expert_share)} · s{self.seed}"
        return own if self.source == GENERATED else f"{own} · {self.source}"


def by_training(runs: Iterable[RunSpec]) -> list[list[RunSpec]]:
    """Group runs by their :attr:`~RunSpec.training_id`, in the order of each group's first run."""
    groups: dict[str, list[RunSpec]] = {}
    for run in runs:
        groups.setdefault(run.training_id, []).append(run)
    return list(groups.values())


def share_of(name: str, share: float) -> str:
    """Format a run's share of expert episodes on a task; nothing where the task has a dataset of its own."""
    return "" if task(name).dataset else percent(share)


def percent(share: float) -> str:
    """Format a share as ``2.5%``, with three digits."""
    return f"{100 * share:.3g}%"
