"""Extraction as an axis: critics, ways to extract a policy from them, and sizes of the dataset, on four tasks.

docs/results/extraction.md has the claims of the study that it follows, and the predictions.
"""

from dataclasses import replace

from baselines.am import AM
from baselines.crl import CRL
from baselines.iql import GCIQL
from smore_sweep import Budget, Grid, Scale, Sweep, grid
from smore_sweep.extraction import ExtractingMethod
from smore_sweep.smore import SMORe

FETCH = ("FetchReach", "FetchPush")
OGBENCH = ("pointmaze-medium-navigate", "cube-single-play")
TASKS = (*FETCH, *OGBENCH)
EPISODES = {"FetchReach": 500, "FetchPush": 10_000, "pointmaze-medium-navigate": 1_000, "cube-single-play": 1_000}

RATE = 1e-3
"""Adam's, for all: the papers' 3e-4 is made for a million updates."""
OPEX = [0.0, 0.03, 0.3]
SAMPLES = [1, 32]

METHODS: list[ExtractingMethod] = [
    *grid(SMORe, her_ratio=1.0, learning_rate=RATE, extraction="awr", critic_acts=True, opex=OPEX),
    *grid(SMORe, her_ratio=1.0, learning_rate=RATE, extraction="gradient_bc", critic_acts=True, opex=OPEX),
    *grid(SMORe, her_ratio=1.0, learning_rate=RATE, extraction="sampling", samples=SAMPLES),
    *grid(GCIQL, her_ratio=1.0, learning_rate=RATE, extraction="awr", critic_acts=True, opex=OPEX),
    *grid(GCIQL, her_ratio=1.0, learning_rate=RATE, extraction="gradient_bc", critic_acts=True, opex=OPEX),
    *grid(GCIQL, her_ratio=1.0, learning_rate=RATE, extraction="sampling", samples=SAMPLES),
    *grid(CRL, learning_rate=RATE, extraction="awr", critic_acts=True, opex=OPEX),
    *grid(CRL, learning_rate=RATE, extraction="gradient_bc", critic_acts=True, opex=OPEX),
    *grid(CRL, learning_rate=RATE, extraction="sampling", samples=SAMPLES),
    # Targets that move 5% in every 20th update make 50 backups in 20,000, and goals are up to 300 steps away.
    *grid(AM, learning_rate=RATE, target_period=1, extraction="gradient_bc", critic_acts=True, opex=OPEX),
    *grid(AM, learning_rate=RATE, target_period=1, extraction="sampling", samples=SAMPLES),
]
"""All goals are hindsight goals: OGBench's data have no others. What differs in opex or samples trains once."""
TTT = [replace(each, opex=0.0, ttt=0.003) for each in METHODS if each.opex == OPEX[-1]]
"""Trained once more in each episode, on the tasks with short ones."""

BUDGET = Budget(
    episodes=1_000, updates=20_000, batch_size=256, evaluate_every=5_000, evaluation_episodes=50, final_episodes=50
)  # fmt: skip
SLOW = {
    **{task: {"evaluation_episodes": 20} for task in OGBENCH},
    **{task: {"evaluate_every": 10_000} for task in FETCH},
}
"""Evaluations take as long as the training: fewer episodes, or fewer evaluations where the last one counts."""


def scale(part: float) -> Scale:
    """Return the scale that has this part of the data."""
    return Scale(
        tasks=TASKS,
        seeds=3,
        budget=BUDGET,
        per_task={task: {"episodes": round(part * count), **SLOW.get(task, {})} for task, count in EPISODES.items()},
        knobs={"hidden": 128},
    )


SWEEP = Sweep(
    name="extraction",
    description="Critics, ways to extract a policy from them, and sizes of the dataset",
    grids=[
        Grid(methods=[*METHODS, *TTT], tasks=FETCH, expert_share=[0.1]),
        Grid(methods=METHODS, tasks=OGBENCH),
    ],
    default_scale="workstation",
    scales={
        "smoke": Scale(
            tasks=TASKS,
            seeds=2,
            budget=Budget(
                episodes=20, updates=40, batch_size=32, evaluate_every=20, evaluation_episodes=1, final_episodes=5
            ),
            knobs={"hidden": 32},
        ),
        "workstation": scale(1.0),
        "tenth": scale(0.1),
        "paper": Scale(
            tasks=TASKS,
            seeds=8,
            budget=Budget(
                episodes=1_000, updates=1_000_000, batch_size=1_024, evaluate_every=100_000, evaluation_episodes=50,
                final_episodes=250,
            ),
            per_task={"FetchReach": {"episodes": 2_000}, "FetchPush": {"episodes": 40_000}},
        ),
    },
)  # fmt: skip
