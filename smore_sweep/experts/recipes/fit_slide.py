"""Fit the constants of the strike in :mod:`smore_sweep.experts.fetch_slide` by least squares, and print them.

``python -m smore_sweep.experts.recipes.fit_slide`` runs the expert up to the strike, strikes with random commands, and
records the puck's final position. A repeated command shows the effect of the first hit, two different ones that of the
second.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from smore_sweep.experts import fetch_slide as expert
from smore_sweep.experts.fetch import STEP, Array, command
from smore_sweep.tasks import TASKS

EPISODES = 600
AFTERWARDS = 32  # steps for the puck to slide


class Hit(NamedTuple):
    """A command at the puck, and the resulting launch velocity (2,)."""

    scene: expert.Scene
    move: Array
    velocity: Array
    repeated: bool


def main() -> None:
    """Strike in ``EPISODES`` episodes, and print the constants with the standard deviations of the residuals."""
    env: Any = TASKS["FetchSlide"].make().unwrapped
    hits = [hit for seed in range(EPISODES) for hit in _hits(env, seed)]
    first = [hit for hit in hits if hit.scene.resting and hit.repeated]
    second = [hit for hit in hits if not hit.scene.resting]
    _fit("FIRST_X", [np.array([1.0, hit.move[0]]) for hit in first], first, 0)
    _fit("FIRST_Y", [np.append(hit.move[1], expert.side_features(hit.scene)) for hit in first], first, 1)
    features = []
    for hit in second:
        base, slope = expert.hit_features(hit.scene)
        features.append(np.append(base, hit.move[0] * slope))
    _fit("SECOND_X", features, second, 0)
    _fit("SECOND_Y", [np.append(hit.move[1], expert.side_features(hit.scene)) for hit in second], second, 1)


def _hits(env: Any, seed: int) -> list[Hit]:
    """Return the first and the last hit of an episode."""
    rng = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    moves = rng.uniform((0.4, -0.4), (1.0, 0.4), (2, 2))
    repeated = bool(rng.random() < 0.5)
    if repeated:
        moves[1] = moves[0]
    struck: list[tuple[expert.Scene, Array]] = []
    left = AFTERWARDS
    for _ in range(45 + AFTERWARDS):
        scene = expert.look(observation)
        if expert.behind(scene) and (expert.running_up(scene) if scene.resting else scene.gap < expert.CONTACT):
            move = moves[0] if scene.resting else moves[1]
            struck.append((scene, move))
            action = command(np.append(STEP * move, expert.LOW_HEIGHT - scene.height))
        elif struck:
            action = np.zeros(4, np.float32)
            left -= 1
        else:
            action = expert.slide(observation)
        if left == 0:
            break
        observation, *_ = env.step(action)
    if left or len(struck) < 2:  # a carried puck, or no strike in time
        return []
    end = expert.look(observation).puck
    return [Hit(*hit, expert.launch_velocity(end - hit[0].puck), repeated) for hit in (struck[0], struck[-1])]


def _fit(name: str, features: list[Array], hits: list[Hit], axis: int) -> None:
    """Fit by repeated least squares without outliers, where the puck tipped over or met the gripper again."""
    x, y = np.array(features), np.array([hit.velocity[axis] for hit in hits])
    kept = np.ones(len(y), bool)
    for _ in range(3):
        weights = np.linalg.lstsq(x[kept], y[kept], rcond=None)[0]
        errors = y - x @ weights
        kept = np.abs(errors) < 3.5 * np.std(errors[kept])
    print(f"{name} = {np.array2string(weights, separator=', ', precision=3)}  # {len(y)} hits")
    print(f"  standard deviation {np.std(y):.3f} m/s, of what is left {np.std(errors[kept]):.3f}, {kept.sum()} kept")


if __name__ == "__main__":
    main()
