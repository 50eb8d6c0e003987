"""FetchPush: find what keeps IQL, AM and the plain actor-critic from pushing within few updates.

Each method has one change, at a learning rate of 3e-3. docs/results/fetchpush.md: predictions and outcomes.
"""

from dataclasses import replace

from baselines.am import AM
from baselines.ddpg import DDPG
from baselines.iql import GCIQL
from smore_sweep import Grid, Sweep
from sweeps.fetchpush import STUDY, scales

GENTLE = GCIQL(her_ratio=1.0, learning_rate=3e-3, temperature=0.3)
"""A tenth of its temperature, because the paper's is too sharp for SMORe on this task."""
PLAIN = DDPG(her_ratio=0.2, learning_rate=3e-3)
"""The best of four shares of hindsight goals, in a pilot of one seed."""

SWEEP = Sweep(
    name="fetchpush_others",
    description="FetchPush: IQL with gentle weights, AM by its paper, AM and DDPG with faster targets",
    grids=[
        Grid(
            methods=[
                GENTLE,
                # The default targets move by 5% every 20 updates: 10,000 updates cover 25 backups, and the goal is up
                # to 50 steps away.
                AM(learning_rate=3e-3, target_period=1),
                # The release's equations chain half of the batch, whose values can only fall; the paper's chain an
                # episode's last transitions.
                AM(learning_rate=3e-3, variant="paper"),
                AM(learning_rate=3e-3, variant="paper", target_period=1),
                # DDPG, too, learns nothing with hindsight goals only.
                AM(learning_rate=3e-3, variant="paper", her_ratio=0.2),
                PLAIN,
                replace(PLAIN, target_period=1),
                # AM has no penalty on large actions.
                replace(PLAIN, action_l2=0.0),
            ],
            tasks=["FetchPush"],
            expert_share=[0.1],
        )
    ],
    scales=scales(laptop=STUDY),
)
