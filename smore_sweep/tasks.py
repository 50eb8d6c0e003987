"""The table of the tasks that ship, with the paper's names, and tasks by name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from smore_sweep.errors import DeclarationError, unknown
from smore_sweep.ogbench_horizons import VISUAL
from smore_sweep.plugins import installed
from smore_sweep.tabletop_tasks import TABLETOP_TASKS
from smore_sweep.task import Sizes, Task

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            "Reacher",
            "smore/Reacher-v0",
            Sizes(11, 2, 2),
            threshold=0.05,
            expert="smore_sweep.experts.reacher:reach",
            step_milliseconds=0.15,
            horizon=50,
        ),
        Task(
            "FetchReach",
            "smore/FetchReach-v0",
            Sizes(10, 3, 4),
            threshold=0.05,
            expert="smore_sweep.experts.fetch:reach",
            step_milliseconds=2.0,
            horizon=50,
        ),
        Task(
            "FetchPush",
            "smore/FetchPush-v0",
            Sizes(25, 3, 4),
            threshold=0.05,
            expert="smore_sweep.experts.fetch:push",
            step_milliseconds=2.5,
            horizon=50,
        ),
        Task(
            "FetchPick",
            "smore/FetchPick-v0",
            Sizes(25, 3, 4),
            threshold=0.05,
            expert="smore_sweep.experts.fetch_pick:pick",
            step_milliseconds=2.5,
            horizon=50,
        ),
        Task(
            "FetchSlide",
            "smore/FetchSlide-v0",
            Sizes(25, 3, 4),
            threshold=0.05,
            expert="smore_sweep.experts.fetch_slide:slide",
            step_milliseconds=2.5,
            horizon=50,
            expert_noise=0.05,  # success .97 at 0, .82 at 0.05, .5 at 0.1: a strike cannot be corrected
        ),
        *(
            # The environment's own noise is diverse enough.
            Task(
                f"FetchReachNoise{sigma}",
                f"smore/FetchReachNoise{sigma}-v0",
                Sizes(10, 3, 4),
                threshold=0.05,
                expert="smore_sweep.experts.fetch:reach",
                step_milliseconds=2.0,
                horizon=50,
                expert_noise=0.0,
            )
            for sigma in (0.5, 1.0, 1.5)
        ),
        Task(
            "HandReach",
            "smore/HandReach-v0",
            Sizes(63, 15, 20),
            threshold=0.01,
            expert="smore_sweep.experts.hand:reach",
            step_milliseconds=1.5,
            horizon=50,
            expert_noise=0.05,  # the fingertips together may be off by 1 cm only: see the expert
        ),
        Task(
            "SawyerReach",
            "smore/SawyerReach-v0",
            Sizes(3, 3, 3),
            threshold=0.06,
            expert="smore_sweep.experts.sawyer:reach",
            step_milliseconds=0.2,
            horizon=50,
        ),
        Task(
            "SawyerDoor",
            "smore/SawyerDoor-v0",
            Sizes(4, 1, 3),
            threshold=0.06,
            expert="smore_sweep.experts.sawyer:open_door",
            step_milliseconds=0.4,
            horizon=50,
            success_threshold=0.02,
        ),
        Task(
            "PointReach",
            "smore/PointReach-v0",
            Sizes(2, 2, 2),
            threshold=1.0,
            expert="smore_sweep.experts.points:reach",
            step_milliseconds=0.03,
            horizon=50,
        ),
        Task(
            "PointRooms",
            "smore/PointRooms-v0",
            Sizes(2, 2, 2),
            threshold=1.0,
            expert="smore_sweep.experts.points:rooms",
            step_milliseconds=0.03,
            horizon=50,
        ),
        *(
            # Noise makes runners stumble.
            Task(
                f"{body}TgtVel-{kind}",
                f"smore/{body}TargetVelocity-v0",
                sizes,
                threshold=0.5,
                expert=f"smore_sweep.experts.locomotion:{expert}",
                step_milliseconds=milliseconds,
                horizon=1000,
                suboptimal=suboptimal,
                medium=f"smore_sweep.experts.locomotion:{medium}",
                expert_noise=0.0,
            )
            for body, sizes, milliseconds, expert, medium in (
                ("Cheetah", Sizes(17, 1, 6), 0.2, "run_cheetah", "jog_cheetah"),
                ("Ant", Sizes(111, 1, 8), 0.7, "gallop_ant", "trot_ant"),
            )
            for kind, suboptimal in (("m-e", "medium"), ("r-e", "random"))
        ),
    )
}


SHIPPED = TASKS | TABLETOP_TASKS
"""The tasks that ship, but for OGBench's, by name."""

_declared: dict[str, Task] = {}
"""The tasks that this process's sweep files declare, by name."""


OGBENCH_FAMILIES = ("pointmaze", "antmaze", "humanoidmaze", "antsoccer", "cube", "scene", "puzzle")
"""Beginnings of the names of OGBench's tasks, behind :data:`VISUAL` perhaps (:mod:`smore_sweep.ogbench_tasks`)."""
OWN = ", or one of your own, with --file FILE.py"


def declare(tasks: Iterable[Task]) -> None:
    """Let :func:`task` find tasks by name.

    Raises:
        DeclarationError: If one has the name of a task that ships.
    """
    for row in tasks:
        if SHIPPED.get(row.name, row) != row:
            raise DeclarationError(f"task {row.name!r} is the name of a task that ships; give yours another name")
        if row.name not in SHIPPED:
            _declared[row.name] = row


def find_task(name: str) -> Task | None:
    """Return a task that ships or is declared, or None."""
    try:
        return task(name)
    except DeclarationError:
        return None


@cache
def ogbench() -> dict[str, Task]:
    """Return OGBench's tasks by name."""
    from smore_sweep.ogbench_tasks import ogbench_tasks

    return {row.name: row for row in ogbench_tasks()}


@cache
def ogbench_of_one_goal() -> dict[str, Task]:
    """Return OGBench's tasks of one goal by name, which are not listed."""
    from smore_sweep.ogbench_tasks import single_tasks

    return {row.name: row for row in single_tasks()}


def declared_content(name: str) -> dict[str, Any]:
    """Return what makes up a declared task in a run's content; nothing for a task that ships."""
    row = find_task(name)
    return row.content if row else {}


def declared() -> list[Task]:
    """Return the tasks that this process's sweep files declare."""
    return list(_declared.values())


def pools_of(name: str) -> list[tuple[str, str]]:
    """Return a task's pools of episodes as (task, policy): its own, or those of the task that it says in ``data_of``.

    Raises:
        DeclarationError: A task is unknown, or the other one has no data of its own, or other sizes or pools.
    """
    row = owner = task(name)
    if row.data_of:
        owner = task(row.data_of)
        wrong = f"{name}: data_of = {row.data_of!r} is not valid"
        if owner.data_of:
            raise DeclarationError(f"{wrong}; {owner.name} has those of {owner.data_of!r}: give that one")
        if owner.sizes != row.sizes:
            raise DeclarationError(f"{wrong}; {owner.name} has {owner.sizes}, and {name} {row.sizes}")
        if owner.pools != row.pools:
            raise DeclarationError(f"{wrong}; give {name} the dataset= and suboptimal= of {owner.name} too")
    return [(owner.name, policy) for policy in owner.pools]


def task(name: str) -> Task:
    """Return a task by name: one that ships, that a sweep file declares, or that an installed package offers.

    Raises:
        DeclarationError: For an unknown name; the message lists the valid ones.
    """
    if name in SHIPPED:
        return SHIPPED[name]
    if name.removeprefix(VISUAL).partition("-")[0] in OGBENCH_FAMILIES and name not in _declared:
        if name not in (benchmark := ogbench() | ogbench_of_one_goal()):
            raise DeclarationError(unknown("OGBench task", name, benchmark))
        return benchmark[name]
    if name not in _declared:
        offers = installed("tasks")
        if name not in offers:
            raise DeclarationError(unknown("task", name, {**SHIPPED, **_declared, **offers}, OWN))
        _declared[name] = offers[name].load(Task)
    return _declared[name]
