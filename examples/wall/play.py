"""The wall again, with a dataset of its own: one long walk after another, to places drawn at random.

smore-sweep data make WallPlay --episodes 100 --file play.py
smore-sweep run play.py
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from td3bc import TD3BC
from world import Wall, walk

from smore_sweep import Budget, Grid, Scale, Sweep, Task


def play(environment: str, seed: int, steps: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Walk to one place after another; return observations [T + 1, o] and actions [T, a]."""
    random, env = np.random.default_rng(seed), Wall()
    observation, _ = env.reset(seed=seed)
    goal = observation["desired_goal"]
    observations, actions = [observation["observation"]], []
    for _ in range(steps):
        if np.linalg.norm(observation["achieved_goal"] - goal) < 0.1:
            goal = random.uniform(-0.9, 0.9, 2)
        action = walk({**observation, "desired_goal": goal}) + 0.2 * random.standard_normal(2)
        actions.append(np.clip(action, -1.0, 1.0))
        observation, *_ = env.step(actions[-1])
        observations.append(observation["observation"])
    return np.array(observations), np.array(actions)


WALL_PLAY = Task("WallPlay", Wall, threshold=0.1, horizon=40, dataset="play", trajectories=play, data_steps=80)

SWEEP = Sweep(
    name="wall_play",
    description="TD3+BC around a wall, from play",
    grids=[Grid(methods=[TD3BC(hidden=64, her_ratio=1.0)], tasks=[WALL_PLAY])],
    scales={
        "small": Scale(
            tasks=[WALL_PLAY],
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
