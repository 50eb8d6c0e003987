"""The f-divergences of Table 3 in NumPy, with their conjugates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from smore_sweep.smore import DIVERGENCES
from tests.conftest import Array

ALL = (*DIVERGENCES, "printed")

# Where the density ratio f*'(y) is 100, and f* there:
#   KL              exp(y - 1) = 100        y = 1 + log 100      f* = 100
#   Hellinger       1 / (1 - y)^2 = 100     y = 0.9              f* = 0.9 / 0.1 = 9
#   Jensen-Shannon  e^y / (2 - e^y) = 100   e^y = 200 / 101      f* = -log(2 - 200 / 101) = -log(2 / 101) = log 50.5
EDGES = {
    "kl": (1 + math.log(100), 100.0),
    "hellinger": (0.9, 9.0),
    "jensen_shannon": (math.log(200 / 101), math.log(50.5)),
}


def f(divergence: str, x: Array) -> Array:
    """The generators of Table 3."""
    with np.errstate(divide="ignore", invalid="ignore"):
        xlogx = np.where(x > 0, x * np.log(np.where(x > 0, x, 1.0)), 0.0)
    if divergence == "pearson":
        values = (x - 1) ** 2
    elif divergence == "kl":
        values = xlogx
    elif divergence == "hellinger":
        values = (np.sqrt(x) - 1) ** 2
    elif divergence == "total_variation":
        values = 0.5 * np.abs(x - 1)
    else:
        values = -(x + 1) * np.log((x + 1) / 2) + xlogx
    return np.asarray(values)


def f_star(divergence: str, y: Any) -> Array:
    """The conjugates of Table 3, with the declared continuations outside their domains."""
    y = np.asarray(y, np.float64)
    if divergence == "pearson":
        return np.asarray(y + y**2 / 4)
    if divergence == "printed":
        return np.asarray(y + y**2)
    if divergence == "total_variation":
        return np.asarray(y + np.where(y > 0.5, (y - 0.5) ** 2, np.where(y < -0.5, (y + 0.5) ** 2, 0.0)))
    edge, value = EDGES[divergence]
    inside = np.minimum(y, edge)
    if divergence == "kl":
        values = np.exp(inside - 1)
    elif divergence == "hellinger":
        values = inside / (1 - inside)
    else:
        values = -np.log(2 - np.exp(inside))
    return np.asarray(np.where(y > edge, value + 100 * (y - edge), values))
