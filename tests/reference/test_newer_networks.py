"""Networks of the newer methods at their defaults: those of their code, but for what the docstrings name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from baselines.cfgrl import CFGRL
from baselines.fre import FRE
from baselines.gcfql import GCFQL
from baselines.hierarchical_cfgrl import HierarchicalCFGRL
from baselines.hilp import HILP
from baselines.infom import InFOM
from baselines.sharsa import SHARSA
from baselines.u2o import U2O
from smore_sweep.method import Method
from smore_sweep.stacked.network_spec import NetworkSpec
from tests.reference.wiring import SIZES

S, G, A = SIZES.observation, SIZES.goal, SIZES.action


def mlp(inputs: int, outputs: int, layers: int, rate: float = 3e-4) -> NetworkSpec:
    """Layers of 512 with GELU, from Xavier uniform."""
    return NetworkSpec(inputs, outputs, (512,) * layers, rate, activation="gelu", init="xavier")


def normed(inputs: int, outputs: int, layers: int, rate: float = 3e-4, **rest: Any) -> NetworkSpec:
    """The same with flax's LayerNorm after GELU."""
    return replace(
        mlp(inputs, outputs, layers, rate), layer_norm=True, layer_norm_after=True, layer_norm_epsilon=1e-6, **rest
    )


def gaussian(inputs: int, rate: float = 3e-4, **rest: Any) -> NetworkSpec:
    """A policy with ReLU and a trained deviation, whose last layer starts ten times smaller."""
    return NetworkSpec(inputs, A, (512,) * 3, rate, init="xavier", last_scale=0.1, log_std=A, **rest)


def linear(inputs: int, outputs: int, **rest: Any) -> NetworkSpec:
    return NetworkSpec(inputs, outputs, (), 1e-4, init="xavier", **rest)


TWINS: dict[str, Any] = {"copies": 2, "target_rate": 0.005}
CFGRLS = {"pi": mlp(S + G + 1 + A + 1, A, 4)}
HIERARCHY = {"high": mlp(S + G + 1 + S + 1, S, 4), "pi": mlp(S + S + 1 + A + 1, A, 4)}
SHARSAS = {  # 512 wide for 1,024
    "Q": normed(S + G + S, 1, 4, **TWINS),
    "V": normed(S + G, 1, 4),
    "high": normed(S + G + S + 1, S, 4),
    "pi": normed(S + S + A + 1, A, 4),
}
HILPS = {
    "phi": normed(S + G, 32, 3, **TWINS),
    "Q": normed(S + 32 + A, 1, 3, **TWINS),
    "U": normed(S + 32, 1, 3),
    "pi": gaussian(S + 32),
}
ENCODER = {"ends": 0.15}  # of a million updates, 150,000
AFTER = {"begins": 0.15}
BLOCK = replace(linear(128, 128, **ENCODER), activation="gelu")
TRANSFORMER = {"heads": replace(BLOCK, outputs=3 * 128), "merge": BLOCK, "mlp": replace(BLOCK, hidden=(256,))}

NETWORKS: list[tuple[Method, dict[str, NetworkSpec]]] = [
    (CFGRL(), CFGRLS),
    (HierarchicalCFGRL(), HIERARCHY),
    (HierarchicalCFGRL(order_filter=True), HIERARCHY | {"order": normed(S + S + G, 1, 4)}),
    (SHARSA(), SHARSAS),
    (SHARSA(double=True), SHARSAS | {"low Q": normed(S + S + A, 1, 4, **TWINS), "low V": normed(S + S, 1, 4)}),
    (
        GCFQL(),  # 512 wide for 1,024
        {
            "Q": normed(S + G + A, 1, 4, **TWINS),
            "flow": normed(S + G + A + 1, A, 4),
            "pi": normed(S + G + A, A, 4),
        },
    ),
    (HILP(), HILPS),
    (U2O(), HILPS | {"bridge": NetworkSpec(0, 32 + 2, (), 3e-4)}),
    (
        FRE(),  # GELU and LayerNorm after it for mish and LayerNorm before it, and ReLU without any for the policy
        {
            "pairs": linear(G + 32, 128, **ENCODER),
            **{f"{name}{layer}": spec for layer in range(2) for name, spec in TRANSFORMER.items()},
            "code": linear(128, 2 * 128, **ENCODER),
            "decoder": normed(128 + G, 1, 3, 1e-4, **ENCODER),
            "Q": normed(128 + S + A, 1, 3, 1e-4, copies=2, target_rate=0.001, **AFTER),
            "U": normed(128 + S, 1, 3, 1e-4, **AFTER),
            "pi": gaussian(128 + S, 1e-4, **AFTER),
        },
    ),
    (
        InFOM(),  # the flow and Q with LayerNorm, as at the cited commit
        {
            "flow": normed(S + A + 512 + G + 1, G, 4, target_rate=0.005),
            "intention": normed(S + A, 2 * 512, 4),
            "reward": normed(G + G, 1, 4),
            "Q": normed(S + A + G, 1, 4, copies=2),
            "pi": replace(mlp(S + G, A, 4), last_scale=0.1),
        },
    ),
]


@pytest.mark.parametrize(("method", "expected"), NETWORKS, ids=[method.label for method, _ in NETWORKS])
def test_networks_are_the_papers(method: Method, expected: dict[str, NetworkSpec]) -> None:
    got = method.networks(SIZES)
    assert got.keys() == expected.keys()
    for name, spec in got.items():
        assert isinstance(spec, NetworkSpec)
        epsilon = spec.layer_norm_epsilon if spec.layer_norm else expected[name].layer_norm_epsilon
        assert replace(spec, layer_norm_epsilon=epsilon) == expected[name], name
