"""Tasks on which SMORe does badly with a laptop's defaults: find what it needs, one change at a time.

Runs have 20,000 updates. docs/results/hard_tasks.md: predictions and outcomes. FetchPush has its own studies.
"""

from dataclasses import replace

from baselines.gcsl import GCSL
from smore_sweep import Budget, Scale, Sweep
from smore_sweep.smore import SMORe
from sweeps._budgets import LOCOMOTION, NARROW, SMOKE, SMOKE_TASKS, at_papers_share

TASKS = ("HandReach", "FetchPick", "FetchSlide", *LOCOMOTION)

PAPER = SMORe(learning_rate=1e-3)
"""The paper's constants except the learning rate, which suits a million updates."""

STUDY = Budget(
    episodes=10_000, updates=20_000, batch_size=256, evaluate_every=5_000, evaluation_episodes=10, final_episodes=50
)  # fmt: skip

SWEEP = Sweep(
    name="hard_tasks",
    description="What SMORe needs on HandReach, FetchPick, FetchSlide and the runners, one change at a time",
    grids=at_papers_share(
        [
            PAPER,
            # Fewer or more steps of Adam's ...
            replace(PAPER, learning_rate=3e-4),
            replace(PAPER, learning_rate=3e-3),
            # ... softer and sharper weights, down to none, which clones the same samples ...
            replace(PAPER, temperature=0.3),
            replace(PAPER, temperature=0.0),
            replace(PAPER, temperature=10.0),
            # ... other goals ...
            replace(PAPER, her_ratio=0.5),
            replace(PAPER, her_ratio=0.0),
            replace(PAPER, her_ratio=1.0),
            replace(PAPER, her_ratio=1.0, moved_share=0.8),
            # ... a policy that climbs the score and clones, a faster target, a longer view.
            SMORe(learning_rate=1e-3, extraction="gradient_bc", bc_weight=3.0),
            replace(PAPER, target_rate=0.02),
            replace(PAPER, discount=0.999),
            GCSL(learning_rate=1e-3),
            GCSL(learning_rate=1e-3, her_ratio=0.0),
        ],
        TASKS,
    ),
    scales={
        "smoke": Scale(
            tasks=TASKS,
            seeds=2,
            budget=SMOKE,
            per_task={task: SMOKE_TASKS[task] for task in LOCOMOTION},
            knobs=NARROW,
        ),
        "laptop": Scale(
            tasks=TASKS,
            seeds=3,
            budget=STUDY,
            # The paper's data: 1,000 episodes of the medium or random policy, 30 of the expert.
            per_task={task: {"episodes": 1_030, "evaluate_every": 10_000, "final_episodes": 10} for task in LOCOMOTION},
            knobs=NARROW,
        ),
    },
)
