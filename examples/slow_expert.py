"""Write FetchPush episodes of an expert at half speed in the format of WGCSL's data: python examples/slow_expert.py."""

import pickle
from pathlib import Path

import numpy as np

from smore_sweep.data import rollout
from smore_sweep.experts import fetch

push = fetch.push


def slow_push(observation: dict[str, np.ndarray]) -> np.ndarray:
    """Push at half speed."""
    return 0.5 * push(observation)


def write(folder: Path, expert: int, random: int) -> None:
    """Write so many episodes of each pool below a folder."""
    fetch.push = slow_push
    for policy, count in (("expert", expert), ("random", random)):
        made = rollout.rollout("FetchPush", policy, 0, count)
        goals = np.repeat(made.desired_goals[:, None], made.actions.shape[1], axis=1)
        arrays = {"o": made.observations, "u": made.actions, "ag": made.achieved_goals, "g": goals}
        file = folder / policy / "FetchPush" / "buffer.pkl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pickle.dumps({key: array.astype(np.float64) for key, array in arrays.items()}))
    fetch.push = push


if __name__ == "__main__":
    write(Path("slow"), expert=1_000, random=9_000)
