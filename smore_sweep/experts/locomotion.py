"""Policies of the locomotion tasks: small networks trained by :mod:`smore_sweep.experts.recipes.train_locomotion`.

Their training rewarded speed up to the target, not holding it. D4RL's policies are stochastic; these act without noise
in the data as well (``expert_noise`` 0), because noise of 0.1 on its actions slows the cheetah by 0.6 m/s. Each file
``policies/NAME.npz`` holds a deterministic policy (``weight0, bias0, ...``, float32; ReLU between the layers, tanh at
the end) and ``recipe``, JSON text with the settings, length and versions of the training and the resulting speed;
``policies/BODY-curve.csv`` is the learning curve.

The cheetah's expert runs at 10.5 m/s, with 45% of its steps within 0.5 m/s of the target of 11: 1,270,000 steps and 56
minutes of one core, still improving. The ant's runs at 4.7 m/s of 5 (over 100 episodes), stays up for 953 of 1,000
steps on average, and is in the band on 38% of them: 1,944,000 steps, 967,000 updates and 150 minutes, the learning rate
falling to zero over the last third (at the start of which it ran at 4.2 m/s for 836 steps, over 20 episodes).

A policy computes the same bits on every processor. Pools generated before November 2026 hold the episodes of one
machine, because the policies then used NumPy's matrix products, whose last digit depends on the processor.

Better weights need a new function name, which distinguishes pools generated with different weights.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

Observation = dict[str, NDArray[np.float64]]
Layer = tuple[NDArray[np.float32], NDArray[np.float32]]


def run_cheetah(observation: Observation) -> NDArray[np.float32]:
    """Run the cheetah's expert: torques (6,) for the dict of ``smore/CheetahTargetVelocity-v0``."""
    return _act("cheetah-expert", observation)


def jog_cheetah(observation: Observation) -> NDArray[np.float32]:
    """Run the cheetah's medium policy, an early checkpoint with about a third of the expert's return."""
    return _act("cheetah-medium", observation)


def gallop_ant(observation: Observation) -> NDArray[np.float32]:
    """Run the ant's expert: torques (8,) for the dict of ``smore/AntTargetVelocity-v0``."""
    return _act("ant-expert", observation)


def trot_ant(observation: Observation) -> NDArray[np.float32]:
    """Run the ant's medium policy, an early checkpoint with two fifths of the expert's return."""
    return _act("ant-medium", observation)


@lru_cache
def load(name: str) -> tuple[list[Layer], dict[str, Any]]:
    """Load the layers (weight ``[in, out]``, bias ``[out]``) and the recipe of a shipped policy."""
    path = resources.files("smore_sweep.experts") / "policies" / f"{name}.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        count = sum(key.startswith("weight") for key in arrays)
        layers = [(arrays[f"weight{i}"], arrays[f"bias{i}"]) for i in range(count)]
        return layers, json.loads(str(arrays["recipe"]))


def _act(name: str, observation: Observation) -> NDArray[np.float32]:
    layers, _ = load(name)
    x = observation["observation"][: len(layers[0][0])].astype(np.float32)  # without the ant's zeros for contact forces
    for weight, bias in layers[:-1]:
        x = np.maximum(_product(x, weight) + bias, 0.0)
    weight, bias = layers[-1]
    return _tanh(_product(x, weight) + bias)


def _product(x: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``x @ weight``, summed row after row.

    The order of a BLAS library's sum depends on the processor, and a runner amplifies the last digit: within 200 steps
    another processor would run another episode.
    """
    product: NDArray[np.float32] = np.add.reduce(x[:, None] * weight, axis=0)
    return product


def _tanh(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return tanh to single precision, by Lambert's continued fraction ``x / (1 + x^2 / (3 + x^2 / (5 + ...)))``.

    NumPy's own depends on the processor; these four operations in double precision are the same bits everywhere.
    """
    clipped = np.clip(x.astype(np.float64), -9.5, 9.5)  # beyond, tanh is 1 in single precision
    square = clipped * clipped
    fraction = np.full_like(clipped, 39.0)
    for odd in range(37, 0, -2):
        fraction = odd + square / fraction
    return (clipped / fraction).astype(np.float32)
