"""FetchPush, the hard case: find what lets SMORe learn to push within 10,000 updates, one change at a time.

docs/results/fetchpush.md has the log of predictions and outcomes.
"""

from dataclasses import replace

from baselines.gcsl import GCSL
from smore_sweep import Budget, Grid, Scale, Sweep
from smore_sweep.smore import SMORe
from sweeps._budgets import NARROW, SMOKE

QUICK = SMORe(her_ratio=1.0, moved_share=0.8, learning_rate=3e-3, temperature=0.3)
"""The settings that worked in a pilot: no commanded goals, most goals away from the transition's start, ten times the
paper's learning rate and a tenth of its temperature."""
CLIMBING = SMORe(her_ratio=1.0, moved_share=0.8, learning_rate=3e-3, extraction="gradient_bc", bc_weight=3.0)
"""The same, with a policy that climbs the score and clones instead of weighing samples."""

STUDY = Budget(
    episodes=10_000, updates=10_000, batch_size=256, evaluate_every=2_500, evaluation_episodes=20, final_episodes=50
)  # fmt: skip


def scales(**budgets: Budget) -> dict[str, Scale]:
    """Return the scales of a study of FetchPush: smoke, and one of three seeds per budget."""
    return {
        "smoke": Scale(tasks=["FetchPush"], seeds=2, budget=SMOKE, knobs=NARROW),
        **{name: Scale(tasks=["FetchPush"], seeds=3, budget=it, knobs=NARROW) for name, it in budgets.items()},
    }


SWEEP = Sweep(
    name="fetchpush",
    description="FetchPush: what lets SMORe learn to push in 10,000 updates, one change at a time",
    grids=[
        Grid(
            methods=[
                QUICK,
                # The paper's value for each of its four changes ...
                replace(QUICK, learning_rate=3e-4),
                replace(QUICK, temperature=3.0),
                replace(QUICK, moved_share=0.0),
                replace(QUICK, her_ratio=0.8),
                # ... the control, which clones the same samples without weights ...
                replace(QUICK, temperature=0.0),
                # ... and what else might matter.
                replace(QUICK, temperature=1.0),
                replace(QUICK, target_rate=0.02),
                replace(QUICK, initial_action="policy"),
                replace(QUICK, beta=0.1),
                CLIMBING,
                # Cloning with the same goals and learning rate, but without moved goals.
                GCSL(learning_rate=3e-3),
            ],
            tasks=["FetchPush"],
            expert_share=[0.1],
        )
    ],
    scales=scales(laptop=STUDY),
)
