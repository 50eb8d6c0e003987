"""Model selection of the learning rate.

The papers' rates, 3e-4 to 1e-3, suit a million updates; a laptop makes a few thousand. docs/results/learning_rate.md
describes the outcome; ``python analysis/selection.py`` writes it to ``tuned.csv``.
"""

from smore_sweep import Sweep, grid
from sweeps._budgets import MANIPULATION, at_papers_share, scales
from sweeps._methods import TWELVE
from sweeps.tuning import FIRST_SEED, selecting

RATES = [3e-4, 1e-3, 3e-3]

SWEEP = Sweep(
    name="learning_rate",
    description="Model selection: the learning rate for few updates, by method and task",
    grids=at_papers_share([m for method in TWELVE for m in grid(type(method), learning_rate=RATES)], MANIPULATION),
    # At paper scale each method has its own rate.
    scales={
        name: selecting(name, scale, {}) for name, scale in scales(*MANIPULATION).items() if name in ("smoke", "laptop")
    },
    first_seed=FIRST_SEED,
)
