"""Fits the commands of the HandReach expert: ``python -m smore_sweep.experts.fit_hand FILE``.

For each posture, first the mean goal's command from several random starts, of which the best is kept, then the
polynomial for the whole distribution of goals. Both are the same damped (Levenberg-Marquardt) least-squares fit of
where the fingertips come to rest, with derivatives by finite differences in the simulator. A miss by ``e`` metres costs
``e^2 / (e^2 + scale^2)``, which with the task's threshold as the scale is a smooth stand-in for failure: goals out of
reach hardly count. The polynomials are fitted with a larger scale first, so that no goal is given up too early.

It takes about ten minutes of one core. FILE is a ``.npy`` file that :mod:`smore_sweep.experts.hand` can read.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from smore_sweep.envs.hand import HandReach
from smore_sweep.experts import hand

Array = NDArray[np.float64]

THRESHOLD = 0.01  # metres
GOALS = 40  # for each posture with a meeting
STARTS, START_ROUNDS = 8, 12
SCALES = {3.0 * THRESHOLD: 4, THRESHOLD: 6}  # of the misses, in metres, with the rounds of the polynomials' fit
START_SPREAD = 0.2  # standard deviation of the random starts' commands
SETTLE, PROBE = 50, 10  # steps until the hand is at rest, and until it is again after a small change of command
CHANGE = 0.02  # of a command, for the finite differences
LARGEST = 0.5  # change of a coefficient in a round


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Fit the commands of the HandReach expert.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    np.save(options.file, fit_all(options.seed))


def fit_all(seed: int) -> Array:
    """The coefficients (5, 10, 20) of all postures."""
    env, rng = HandReach(), np.random.default_rng(seed)
    env.reset(seed=seed)
    resting = (env.initial_qpos[hand.ACTUATED] - hand.MIDDLE) / hand.HALF
    coefficients = np.zeros((5, 10, 20))
    for posture in range(5):
        goals = sample(env, posture, GOALS if posture < 4 else 1)
        mean, constant = goals.mean(0, keepdims=True), np.ones((1, 1))
        starts = [resting + START_SPREAD * rng.standard_normal(20) for _ in range(STARTS if posture < 4 else 0)]
        tries = [fit(env, mean, constant, start[None], THRESHOLD, START_ROUNDS) for start in [resting, *starts]]
        coefficients[posture, 0] = min(tries, key=lambda found: found[1])[0]
        if posture < 4:
            monomials = np.array([hand.features(goal, posture) for goal in goals])
            for scale, rounds in SCALES.items():
                coefficients[posture], cost = fit(env, goals, monomials, coefficients[posture], scale, rounds)
            print(f"posture {posture}: mean cost {cost:.3f}", flush=True)
    return coefficients


def sample(env: HandReach, posture: int, count: int) -> Array:
    """``count`` goals (count, 15) of the environment's distribution, all of one posture."""
    goals: list[Array] = []
    while len(goals) < count:
        goal = env._sample_goal()
        if hand.posture(goal) == posture:
            goals.append(goal)
    return np.array(goals)


def fit(env: HandReach, goals: Array, monomials: Array, start: Array, scale: float, rounds: int) -> tuple[Array, float]:
    """Coefficients (F, 20) that lead the hand to ``goals`` (N, 15) with ``monomials`` (N, F), and their mean cost."""
    best, damping = start, 1e-2
    cost = mean_cost(env, goals, monomials, best, scale)
    for _ in range(rounds):
        curvature, slope = np.zeros((best.size, best.size)), np.zeros(best.size)
        for goal, x in zip(goals, monomials, strict=True):
            miss = goal - settle(env, x @ best)
            weight = (1.0 + miss @ miss / scale**2) ** -2
            jacobian = np.kron(x, derivatives(env, x @ best))
            curvature += weight * jacobian.T @ jacobian
            slope += weight * jacobian.T @ miss
        size = np.trace(curvature) / best.size
        for _ in range(5):
            step = np.linalg.solve(curvature + damping * size * np.eye(best.size), slope).reshape(best.shape)
            trial = best + step / max(1.0, np.abs(step).max() / LARGEST)
            trial_cost = mean_cost(env, goals, monomials, trial, scale)
            if trial_cost < cost:
                best, cost, damping = trial, trial_cost, damping / 4.0
                break
            damping *= 5.0
    return best, cost


def mean_cost(env: HandReach, goals: Array, monomials: Array, coefficients: Array, scale: float) -> float:
    """Between 0, if the fingertips come to rest at their goals, and 1, if they do so far away."""
    misses = np.array([settle(env, x @ coefficients) for x in monomials]) - goals
    squares = np.sum(misses**2, axis=1)
    return float(np.mean(squares / (squares + scale**2)))


def settle(env: HandReach, command: Array) -> Array:
    """Where the fingertips (15,) come to rest under ``command`` (20,) from the initial posture."""
    env._reset_sim()
    return advance(env, command, SETTLE)


def derivatives(env: HandReach, command: Array) -> Array:
    """Of the resting fingertips, by the command (15, 20), about the hand's present state of rest."""
    joints = env.data.qpos.copy()
    ends = []
    for change in (np.zeros(20), *(CHANGE * np.eye(20))):
        env.data.qpos[:], env.data.qvel[:] = joints, 0.0
        ends.append(advance(env, command + change, PROBE))
    return (np.array(ends[1:]) - ends[0]).T / CHANGE


def advance(env: HandReach, command: Array, steps: int) -> Array:
    """The fingertips (15,) after so many steps under ``command`` (20,)."""
    for _ in range(steps):
        env._set_action(hand.stiffened(command, env.data.qpos))
        mujoco.mj_step(env.model, env.data, nstep=env.n_substeps)
    return env._get_achieved_goal()


if __name__ == "__main__":
    main()
