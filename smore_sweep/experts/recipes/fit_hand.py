"""Fit the commands of the HandReach expert: ``python -m smore_sweep.experts.recipes.fit_hand FILE``.

For each posture, the script fits the mean goal's command from several random starts and keeps the best; then, with the
fingertips' feedback, it fits the polynomial for the whole distribution of goals. Both steps are a damped
(Levenberg-Marquardt) least-squares fit of the fingertips' resting positions, with derivatives by finite differences in
the simulator. A miss by ``e`` metres costs ``e^2 / (e^2 + scale^2)``, a smooth measure of failure if the scale is the
task's threshold: goals out of reach hardly count. The polynomials are fitted with a larger scale first, so that no goal
is given up too early.

It takes about seven minutes of one core. FILE is an ``.npz`` file that :mod:`smore_sweep.experts.hand` can read; the
shipped one comes from mujoco 3.3.0 and the default seed.
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
GOALS = 32  # per posture with a meeting
STARTS, START_ROUNDS = 8, 12
START_SPREAD = 0.2  # standard deviation of the random starts' commands
SCALES = {3.0 * THRESHOLD: 3, THRESHOLD: 5}  # of the misses, in metres, with the rounds of the polynomials' fit
FEEDBACK = 1.5  # of the fingertips: the commands' change in units of what moves the free fingertips by their error
DAMPING = 0.01  # metres for a unit of command, below which a direction counts as immovable
SETTLE, PROBE = 30, 6  # steps until the hand is at rest, and until it is again after a small change of command
CHANGE = 0.02  # of a command, for the finite differences
LARGEST = 0.5  # change of a coefficient in a round


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Fit the commands of the HandReach expert.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    coefficients, gains = fit_all(options.seed)
    np.savez(options.file, coefficients=coefficients, gains=gains)


def fit_all(seed: int) -> tuple[Array, Array]:
    """Return the coefficients (5, 10, 20) and the gains (5, 15, 20) of all postures."""
    env, rng = HandReach(), np.random.default_rng(seed)
    env.reset(seed=seed)
    coefficients, gains = np.zeros((5, 10, 20)), np.zeros((5, 15, 20))
    for posture in range(4):
        goals = sample(env, posture, GOALS)
        mean = goals.mean(axis=0, keepdims=True)
        starts = resting(env) + START_SPREAD * rng.standard_normal((STARTS, 20))
        tries = [fit(env, posture, mean, constant(start), gains[posture], THRESHOLD, START_ROUNDS) for start in starts]
        best, _ = min(tries, key=lambda fitted: fitted[1])
        tips = settle(env, posture, mean[0], best, gains[posture])
        gains[posture] = feedback(env)
        best[0] -= (mean[0] - tips) @ gains[posture]  # the feedback at this rest
        for scale, rounds in SCALES.items():
            best, cost = fit(env, posture, goals, best, gains[posture], scale, rounds)
        coefficients[posture] = best
        print(f"posture {posture}: mean cost {cost:.3f}", flush=True)
    home = sample(env, 4, 1)
    coefficients[4], _ = fit(env, 4, home, constant(resting(env)), gains[4], THRESHOLD, START_ROUNDS)
    return coefficients, gains


def sample(env: HandReach, posture: int, count: int) -> Array:
    """Sample ``count`` goals (count, 15) of one posture from the environment's distribution."""
    goals: list[Array] = []
    while len(goals) < count:
        goal = env._sample_goal()
        if hand.posture(goal) == posture:
            goals.append(goal)
    return np.array(goals)


def resting(env: HandReach) -> Array:
    """Return the commands (20,) of the joints' initial angles."""
    command: Array = (env.initial_qpos[hand.ACTUATED] - hand.MIDDLE) / hand.HALF
    return command


def constant(command: Array) -> Array:
    """Return the coefficients (10, 20) of a command that does not depend on the goal."""
    return np.vstack([command, np.zeros((9, 20))])


def feedback(env: HandReach) -> Array:
    """Return the gains (15, 20): the damped pseudo-inverse of the fingertips' Jacobian at the present angles."""
    jacobian = np.zeros((15, 24))
    for finger, site in enumerate(env._fingertips):
        mujoco.mj_jacSite(env.model, env.data, jacobian[3 * finger : 3 * finger + 3], None, site)
    for joint in hand.COUPLED:
        jacobian[:, joint - 1] += jacobian[:, joint]  # the tendon bends both by about as much
    movable = jacobian[:, hand.ACTUATED] * hand.HALF
    inverse = np.linalg.solve(movable @ movable.T + DAMPING**2 * np.eye(15), movable)
    return np.asarray(FEEDBACK * inverse, np.float64)


def fit(
    env: HandReach, posture: int, goals: Array, start: Array, gains: Array, scale: float, rounds: int
) -> tuple[Array, float]:
    """Fit coefficients (10, 20) for ``goals`` (N, 15). Returns them and their mean cost."""
    best, damping = start.copy(), 1e-2
    cost = mean_cost(env, posture, goals, best, gains, scale)
    for _ in range(rounds):
        curvature, slope = np.zeros((best.size, best.size)), np.zeros(best.size)
        for goal in goals:
            miss = goal - settle(env, posture, goal, best, gains)
            weight = (1.0 + miss @ miss / scale**2) ** -2
            jacobian = np.kron(hand.monomials(goal, posture), derivatives(env, posture, goal, best, gains))
            curvature += weight * jacobian.T @ jacobian
            slope += weight * jacobian.T @ miss
        size = np.trace(curvature) / best.size
        for _ in range(5):
            step = np.linalg.solve(curvature + damping * size * np.eye(best.size), slope).reshape(best.shape)
            trial = best + step / max(1.0, np.abs(step).max() / LARGEST)
            trial_cost = mean_cost(env, posture, goals, trial, gains, scale)
            if trial_cost < cost:
                best, cost, damping = trial, trial_cost, damping / 4.0
                break
            damping *= 5.0
    return best, cost


def mean_cost(env: HandReach, posture: int, goals: Array, coefficients: Array, gains: Array, scale: float) -> float:
    """Return the mean cost: 0 if the fingertips come to rest at their goals, 1 if far away."""
    misses = np.array([settle(env, posture, goal, coefficients, gains) for goal in goals]) - goals
    squares = np.sum(misses**2, axis=1)
    return float(np.mean(squares / (squares + scale**2)))


def settle(env: HandReach, posture: int, goal: Array, coefficients: Array, gains: Array) -> Array:
    """Return the positions (15,) where the fingertips come to rest from the initial posture."""
    env._reset_sim()
    return advance(env, posture, goal, coefficients, gains, SETTLE)


def derivatives(env: HandReach, posture: int, goal: Array, coefficients: Array, gains: Array) -> Array:
    """Return the derivatives (15, 20) of the resting fingertips by the command, at the present state of rest."""
    joints = env.data.qpos.copy()
    ends = []
    for change in (np.zeros(20), *(CHANGE * np.eye(20))):
        env.data.qpos[:], env.data.qvel[:] = joints, 0.0
        mujoco.mj_forward(env.model, env.data)
        ends.append(advance(env, posture, goal, coefficients + constant(change), gains, PROBE))
    return (np.array(ends[1:]) - ends[0]).T / CHANGE


def advance(env: HandReach, posture: int, goal: Array, coefficients: Array, gains: Array, steps: int) -> Array:
    """Return the fingertips (15,) after ``steps`` steps towards ``goal``."""
    x = hand.monomials(goal, posture)
    for _ in range(steps):
        env._set_action(hand.act(env.data.qpos, env._get_achieved_goal(), goal, x, coefficients, gains))
        mujoco.mj_step(env.model, env.data, nstep=env.n_substeps)
    return env._get_achieved_goal()


if __name__ == "__main__":
    main()
