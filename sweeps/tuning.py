"""Model selection (appendix C of the paper): the share of hindsight goals, by method and task.

Runs use the learning rate that ``learning_rate`` chose, if that sweep was run, and seeds that no other table uses.
``python analysis/selection.py`` reads the runs and writes ``tuned.csv``.
"""

from collections.abc import Mapping
from dataclasses import replace

from baselines.am import AM
from baselines.ddpg import DDPG
from baselines.eql import GCEQL
from baselines.gcsl import GCSL
from baselines.iql import GCIQL
from baselines.sql import GCSQL
from baselines.wgcsl import WGCSL
from baselines.xql import GCXQL
from smore_sweep import Method, Scale, Sweep, grid
from smore_sweep.smore import SMORe
from sweeps._budgets import ALL, LARGE, at_papers_share, scales
from sweeps._tuned import tuned

FIRST_SEED = 1_000
SEEDS = {"smoke": 1, "laptop": 2, "paper": 3}
METHODS: list[type[Method]] = [SMORe, WGCSL, GCSL, AM, DDPG, GCIQL, GCSQL, GCEQL, GCXQL]


def selecting(name: str, scale: Scale, chosen: Mapping[tuple[str, str], Mapping[str, float]]) -> Scale:
    """Return a scale with model selection's seeds and only the earlier choices ``chosen``.

    A laptop has time for one seed of the large tasks.
    """
    per_task = {
        task: {**change, "seeds": 1} if name == "laptop" and task in LARGE else change
        for task, change in scale.per_task.items()
    }
    return replace(scale, seeds=SEEDS[name], per_task=per_task, tuned=chosen)


SWEEP = Sweep(
    name="tuning",
    description="Model selection: the share of hindsight goals, by method and task",
    grids=at_papers_share([method for kind in METHODS for method in grid(kind, her_ratio=[0.2, 0.5, 0.8, 1.0])], ALL),
    scales={
        name: selecting(name, scale, tuned(name, only="learning_rate"))
        for name, scale in scales(*ALL).items()
        if name in SEEDS
    },
    first_seed=FIRST_SEED,
)
