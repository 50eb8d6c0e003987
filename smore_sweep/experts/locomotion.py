"""The policies of the locomotion tasks: small networks trained by :mod:`smore_sweep.experts.train_locomotion`.

They were trained to run as fast as the target, not to hold it. D4RL's policies acted stochastically; these act as they
are in the data as well (``expert_noise`` 0), because noise of 0.1 on its actions slows the cheetah by 0.6 m/s. Each
shipped file ``policies/NAME.npz`` holds a deterministic policy (``weight0, bias0, ...``, float32; ReLU between the
layers, tanh at the end) and ``recipe``, JSON text that says how, how long and with which versions it was trained and
how fast it ran; ``policies/BODY-curve.csv`` is the learning curve.

The cheetah's expert runs at 10.5 m/s, with 45% of its steps within 0.5 m/s of the target of 11: 1,270,000 steps and 56
minutes of one core, still rising. The ant's runs at 4.7 m/s of 5 (over 100 episodes), stays up for 953 of 1,000 steps
on the average, and is in the band on 38% of them: 1,944,000 steps, 967,000 updates and 150 minutes, the learning rate
falling to zero over the last third (where that began, it ran at 4.2 m/s and lasted 836 steps, over 20 episodes).
Better weights need a new name of the function: by that, pools made with one are told from those of the other.
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
    """The cheetah's expert: torques (6,) for the dict of ``smore/CheetahTargetVelocity-v0``."""
    return _act("cheetah-expert", observation)


def jog_cheetah(observation: Observation) -> NDArray[np.float32]:
    """The cheetah's medium policy, with about a third of the expert's return: an early checkpoint of its training."""
    return _act("cheetah-medium", observation)


def gallop_ant(observation: Observation) -> NDArray[np.float32]:
    """The ant's expert: torques (8,) for the dict of ``smore/AntTargetVelocity-v0``."""
    return _act("ant-expert", observation)


def trot_ant(observation: Observation) -> NDArray[np.float32]:
    """The ant's medium policy, with two fifths of the expert's return: an early checkpoint of its training."""
    return _act("ant-medium", observation)


@lru_cache
def load(name: str) -> tuple[list[Layer], dict[str, Any]]:
    """The layers (weight ``[in, out]``, bias ``[out]``) and the recipe of a shipped policy."""
    path = resources.files("smore_sweep.experts") / "policies" / f"{name}.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        count = sum(key.startswith("weight") for key in arrays)
        layers = [(arrays[f"weight{i}"], arrays[f"bias{i}"]) for i in range(count)]
        return layers, json.loads(str(arrays["recipe"]))


def _act(name: str, observation: Observation) -> NDArray[np.float32]:
    layers, _ = load(name)
    x = observation["observation"][: len(layers[0][0])].astype(np.float32)  # without the ant's zeros for contact forces
    for weight, bias in layers[:-1]:
        x = np.maximum(x @ weight + bias, 0.0)
    weight, bias = layers[-1]
    action: NDArray[np.float32] = np.tanh(x @ weight + bias)
    return action
