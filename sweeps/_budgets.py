"""Budgets that several sweeps share, so that equal runs are shared as well."""

from collections.abc import Sequence
from typing import Any

from smore_sweep import Budget, Grid, Method, Scale
from sweeps._tuned import AS_METHOD, tuned

SMOKE = Budget(
    episodes=100, updates=40, batch_size=32, evaluate_every=20, evaluation_episodes=1, final_episodes=2
)  # fmt: skip
LAPTOP = Budget(
    episodes=500, updates=2_500, batch_size=256, evaluate_every=500, evaluation_episodes=5, final_episodes=20
)  # fmt: skip
NARROW = {"hidden": 128}
"""Networks at smoke and laptop scale: half as wide as the paper's, in a third of the time."""
PAPER = Budget(
    episodes=2_000, updates=1_000_000, batch_size=512, evaluate_every=20_000, evaluation_episodes=10, final_episodes=100
)  # fmt: skip
"""Table 4 and appendix C of the SMORe paper: batch 512, 1M updates (400k for Fetch except FetchPush), 10 seeds."""

LOCOMOTION = ("CheetahTgtVel-m-e", "CheetahTgtVel-r-e", "AntTgtVel-m-e", "AntTgtVel-r-e")
FETCH = ("FetchReach", "FetchReachNoise0.5", "FetchReachNoise1.0", "FetchReachNoise1.5", "FetchPick", "FetchSlide")
WITH_OBJECT = ("FetchPick", "FetchPush", "FetchSlide")
LARGE = ("FetchPick", "FetchPush", "FetchSlide", "HandReach")
"""Tasks with 40,000 episodes at paper scale (2,000 for the others)."""
SLOW = (*LARGE, *LOCOMOTION)
"""Tasks with many or long episodes, which take long on a laptop: left out there unless named."""

SMOKE_TASKS = {task: {"episodes": 35} for task in LOCOMOTION}  # one of them the expert's
PAPER_TASKS = {
    **{task: {"updates": 400_000} for task in FETCH},
    "FetchPick": {"updates": 400_000, "episodes": 40_000},
    "FetchSlide": {"updates": 400_000, "episodes": 40_000},
    "FetchPush": {"episodes": 40_000},
    "HandReach": {"episodes": 40_000},
    # 1M transitions of the medium or random policy and 30 episodes of the expert.
    **{task: {"episodes": 1_030, "final_episodes": 20} for task in LOCOMOTION},
}
"""Changes to ``PAPER`` by task."""

LAPTOP_TASKS = {
    "Reacher": {"updates": 4_000, "evaluate_every": 1_000},
    "SawyerDoor": {"updates": 10_000, "evaluate_every": 2_000},
    # Of 2,000 episodes 200 are the expert's, and even cloning those alone overfits (docs/results/fetchpush.md).
    **{task: {"episodes": 10_000, "updates": 10_000, "evaluate_every": 2_500} for task in LARGE},
    **{task: {"episodes": 100, "updates": 20_000, "evaluate_every": 5_000, "final_episodes": 5} for task in LOCOMOTION},
}

WORKSTATION = Budget(
    episodes=2_000, updates=10_000, batch_size=256, evaluate_every=2_500, evaluation_episodes=10, final_episodes=50
)  # fmt: skip
"""Two cores and a night."""
WORKSTATION_TASKS = {
    **{task: {"episodes": 10_000, "updates": 20_000, "evaluate_every": 5_000} for task in LARGE},
    **{
        task: {"episodes": 1_030, "updates": 20_000, "evaluate_every": 10_000, "final_episodes": 10}
        for task in LOCOMOTION
    },
}
RATE, FETCH_RATE = {"learning_rate": 1e-3}, {"learning_rate": 3e-3}
"""At workstation scale, the same for all methods: the papers' own are for a million updates. The second is that of the
Fetch tasks with an object (docs/results/hard_tasks.md, docs/results/fetchpush.md)."""

MANIPULATION = ("Reacher", "SawyerReach", "SawyerDoor", "FetchReach", "FetchPick", "FetchPush", "FetchSlide")
"""The seven tasks of Table 2."""
ABLATION = ("FetchReach", "SawyerReach", "SawyerDoor", "FetchPick", "FetchPush", "FetchSlide")
"""The six tasks of Tables 12 to 16."""
ALL = (*MANIPULATION, "HandReach", *LOCOMOTION)
"""The twelve tasks of Table 1."""

EXPERT_SHARE = 0.1
LOCOMOTION_SHARE = 30 / 1_030
"""The paper's data: 10% expert episodes, and 30 episodes for locomotion."""


def at_papers_share(methods: Sequence[Method], tasks: Sequence[str]) -> list[Grid]:
    """Return the grids of methods and tasks, at the paper's expert share of each task."""
    shares = {
        EXPERT_SHARE: [t for t in tasks if t not in LOCOMOTION],
        LOCOMOTION_SHARE: [t for t in tasks if t in LOCOMOTION],
    }
    return [Grid(methods=methods, tasks=subset, expert_share=[share]) for share, subset in shares.items() if subset]


def scales(*tasks: str) -> dict[str, Scale]:
    """Return the four scales of a sweep over these tasks, each with the knobs that model selection chose for it."""

    from sweeps._methods import TWELVE  # late: methods name torch, and whoever asks for a budget does not need it

    def scale(
        name: str, only: Sequence[str], seeds: int, budget: Budget, per_task: dict[str, dict[str, int]], **rest: Any
    ) -> Scale:
        own = {task: change for task, change in per_task.items() if task in tasks}
        return Scale(tasks=only, seeds=seeds, budget=budget, per_task=own, tuned=tuned(name), **rest)

    quick = [task for task in tasks if task not in SLOW] or list(tasks)
    needs = {task: "workstation" for task in tasks if task in SLOW}
    methods = [*(method.name for method in TWELVE), *AS_METHOD]
    return {
        "smoke": scale("smoke", tasks, 2, SMOKE, SMOKE_TASKS, knobs=NARROW),
        "laptop": scale("laptop", quick, 5, LAPTOP, LAPTOP_TASKS, knobs=NARROW, needs=needs),
        "workstation": Scale(
            tasks=tasks,
            seeds=5,
            budget=WORKSTATION,
            per_task={task: change for task, change in WORKSTATION_TASKS.items() if task in tasks},
            knobs=NARROW | RATE,
            tuned={(method, task): FETCH_RATE for method in methods for task in tasks if task in WITH_OBJECT},
        ),
        "paper": scale("paper", tasks, 10, PAPER, PAPER_TASKS),
    }
