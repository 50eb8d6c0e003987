"""Budgets that several sweeps share, so that the same run is the same run in each of them."""

from smore_sweep.spec import Budget, Scale

SMOKE = Budget(
    episodes=100, updates=40, batch_size=32, evaluate_every=20, evaluation_episodes=1, final_episodes=2
)  # fmt: skip
LAPTOP = Budget(
    episodes=500, updates=3_000, batch_size=256, evaluate_every=1_000, evaluation_episodes=5, final_episodes=20
)  # fmt: skip
PAPER = Budget(
    episodes=2_000, updates=1_000_000, batch_size=512, evaluate_every=20_000, evaluation_episodes=10, final_episodes=100
)  # fmt: skip
"""Table 4 and appendix C of the SMORe paper: batch 512, 1M updates (400k for Fetch except FetchPush), 10 seeds."""

LOCOMOTION = ("CheetahTgtVel-m-e", "CheetahTgtVel-r-e", "AntTgtVel-m-e", "AntTgtVel-r-e")
FETCH = ("FetchReach", "FetchReachNoise0.5", "FetchReachNoise1.0", "FetchReachNoise1.5", "FetchPick", "FetchSlide")
LARGE = ("FetchPick", "FetchPush", "FetchSlide", "HandReach")
"""Tasks with 40,000 episodes at paper scale (2,000 for the others)."""
SLOW = (*LARGE, *LOCOMOTION)
"""Tasks that take most of a day a seed on a laptop (FetchPush some 200,000 updates): left out there unless named."""

SMOKE_TASKS = {task: {"episodes": 10} for task in LOCOMOTION}  # of 1,000 steps each
PAPER_TASKS = {
    **{task: {"updates": 400_000} for task in FETCH},
    "FetchPick": {"updates": 400_000, "episodes": 40_000},
    "FetchSlide": {"updates": 400_000, "episodes": 40_000},
    "FetchPush": {"episodes": 40_000},
    "HandReach": {"episodes": 40_000},
    # 1M transitions of the medium or random policy and 30 episodes of the expert.
    **{task: {"episodes": 1_030, "final_episodes": 20} for task in LOCOMOTION},
}
"""What differs from ``PAPER`` by task."""

LAPTOP_TASKS = {
    "Reacher": {"updates": 10_000, "evaluate_every": 2_500},
    "SawyerDoor": {"updates": 10_000, "evaluate_every": 2_500},
    **{task: {"updates": 20_000, "evaluate_every": 5_000} for task in LARGE},
    **{task: {"episodes": 100, "updates": 20_000, "evaluate_every": 5_000, "final_episodes": 5} for task in LOCOMOTION},
}


def scales(*tasks: str) -> dict[str, Scale]:
    """The three scales of a sweep over these tasks."""

    def only(changes: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
        return {task: change for task, change in changes.items() if task in tasks}

    quick = [task for task in tasks if task not in SLOW] or list(tasks)
    return {
        "smoke": Scale(tasks=tasks, seeds=2, budget=SMOKE, per_task=only(SMOKE_TASKS)),
        "laptop": Scale(tasks=quick, seeds=5, budget=LAPTOP, per_task=only(LAPTOP_TASKS)),
        "paper": Scale(tasks=tasks, seeds=10, budget=PAPER, per_task=only(PAPER_TASKS)),
    }
