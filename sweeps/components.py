"""Table 16 of the paper, and two cells that it lacks: the contribution of SMORe's parts."""

from baselines.smore_action_free import SMOReActionFree
from baselines.smore_actor_critic import SMOReActorCritic
from smore_sweep import Grid, Sweep
from smore_sweep.smore import SMORe
from sweeps._budgets import ABLATION, EXPERT_SHARE, scales

METHODS = [
    SMORe(),
    SMORe(extraction="gradient"),
    SMOReActorCritic(),
    SMORe(extraction="gradient_bc"),
    SMOReActionFree(),
]

SWEEP = Sweep(
    name="components",
    description="Table 16: SMORe without its parts",
    grids=[Grid(methods=METHODS, tasks=ABLATION, expert_share=[EXPERT_SHARE])],
    scales=scales(*ABLATION),
)
