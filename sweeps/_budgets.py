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

PAPER_TASKS = {"FetchReach": {"updates": 400_000}, "FetchPush": {"episodes": 40_000}}
"""What differs from ``PAPER`` by task."""

LAPTOP_TASKS = {"Reacher": {"updates": 10_000, "evaluate_every": 2_500}}


def scales(*tasks: str) -> dict[str, Scale]:
    """The three scales of a sweep over the paper's tasks. On a laptop FetchPush is left out: it needs some 200,000
    updates, most of a day."""
    quick = [task for task in tasks if task != "FetchPush"]
    return {
        "smoke": Scale(tasks=tasks, seeds=2, budget=SMOKE),
        "laptop": Scale(tasks=quick, seeds=5, budget=LAPTOP, per_task=LAPTOP_TASKS),
        "paper": Scale(tasks=tasks, seeds=10, budget=PAPER, per_task=PAPER_TASKS),
    }
