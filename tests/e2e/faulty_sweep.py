"""A sweep for the tests in which some runs fail."""

from baselines.gcsl import GCSL
from smore_sweep.run_spec import Budget
from smore_sweep.spec import Grid, Scale, Sweep, grid
from tests.e2e.faulty import RAISES, WELL, Faulty

BUDGET = Budget(episodes=40, updates=300, batch_size=32, evaluate_every=100, evaluation_episodes=2, final_episodes=2)
SWEEP = Sweep(
    name="faulty",
    description="a sweep for the tests",
    grids=[
        Grid(
            methods=[*grid(Faulty, hidden=16, fault=[WELL, RAISES]), GCSL(hidden=16)],
            tasks=["PointReach"],
            expert_share=[0.1],
        )
    ],
    scales={"laptop": Scale(tasks=["PointReach"], seeds=1, budget=BUDGET)},
)
