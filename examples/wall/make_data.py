"""Write episodes of a walker and of random actions into ``expert.npz`` and ``random.npz``."""

import numpy as np
from world import Wall, walk

EPISODES, STEPS = 100, 40

for name in ("expert", "random"):
    random, env = np.random.default_rng(0), Wall()
    arrays = {key: [] for key in ("observations", "actions", "achieved_goals", "desired_goals")}
    for episode in range(EPISODES):
        observation, _ = env.reset(seed=episode)
        states, actions = [observation], []
        for _ in range(STEPS):
            noise = 0.2 * random.standard_normal(2)
            action = np.clip(walk(observation) + noise, -1, 1) if name == "expert" else random.uniform(-1, 1, 2)
            observation, *_ = env.step(action)
            states.append(observation)
            actions.append(action)
        arrays["observations"].append([state["observation"] for state in states])
        arrays["achieved_goals"].append([state["achieved_goal"] for state in states])
        arrays["desired_goals"].append(states[0]["desired_goal"])
        arrays["actions"].append(actions)
    np.savez(f"{name}.npz", **{key: np.array(values, np.float32) for key, values in arrays.items()})
