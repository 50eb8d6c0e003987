"""The learning rate for few updates: the papers' own, 3e-4 to 1e-3, are made for a million. What this sweep found is
the laptop's (``_budgets.HASTY``), so its seeds are model selection's; docs/learning_rate.md has the outcome."""

from smore_sweep.spec import Sweep, grid
from sweeps._budgets import MANIPULATION, at_papers_share, scales
from sweeps._methods import SEVEN
from sweeps.tuning import FIRST_SEED, selecting

RATES = [3e-4, 1e-3, 3e-3]

SWEEP = Sweep(
    name="learning_rate",
    description="The learning rate for few updates, seven methods",
    grids=at_papers_share([m for method in SEVEN for m in grid(type(method), learning_rate=RATES)], MANIPULATION),
    # At paper scale there is nothing to find out: there each method has its own.
    scales={name: selecting(name, scale) for name, scale in scales(*MANIPULATION).items() if name != "paper"},
    first_seed=FIRST_SEED,
)
