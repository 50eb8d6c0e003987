"""TD3+BC around a wall: how much should the policy listen to its critic?

python make_data.py
smore-sweep data import npz expert.npz --task Wall --policy expert --source mine --file wall.py
smore-sweep data import npz random.npz --task Wall --policy random --source mine --file wall.py
smore-sweep run wall.py --source mine
smore-sweep figures --sweep wall.py --source mine --x alpha
"""

from td3bc import TD3BC
from world import Wall

from smore_sweep import Budget, Grid, Scale, Sweep, Task, grid

WALL = Task("Wall", Wall, threshold=0.1, horizon=40)

SWEEP = Sweep(
    name="wall",
    description="TD3+BC around a wall, by the weight of its critic",
    grids=[
        Grid(
            methods=grid(TD3BC, alpha=[0.0, 0.5, 2.5], hidden=64, learning_rate=1e-3),
            tasks=[WALL],
            expert_share=[0.2],
        )
    ],
    scales={
        "small": Scale(
            tasks=[WALL],
            seeds=2,
            budget=Budget(
                episodes=100,
                updates=200,
                batch_size=128,
                evaluate_every=100,
                evaluation_episodes=5,
                final_episodes=20,
            ),
        )
    },
)
