"""Every method in a configuration small enough for a test, and stacks of them."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from baselines.am import AM
from baselines.cfgrl import CFGRL
from baselines.crl import CRL
from baselines.ddpg import DDPG
from baselines.eql import GCEQL
from baselines.fre import FRE
from baselines.gcbc import GCBC
from baselines.gcfql import GCFQL
from baselines.gcivl import GCIVL
from baselines.gcsl import GCSL
from baselines.gofar import GoFAR
from baselines.gofar_expectile import GoFARExpectile
from baselines.hierarchical_cfgrl import HierarchicalCFGRL
from baselines.hilp import HILP
from baselines.hiql import HIQL
from baselines.image_gcbc import ImageGCBC
from baselines.image_iql import ImageGCIQL
from baselines.image_smore import ImageSMORe
from baselines.infom import InFOM
from baselines.iql import GCIQL
from baselines.ogbench_crl import OGBenchCRL
from baselines.ogbench_gciql import OGBenchGCIQL
from baselines.qrl import QRL
from baselines.sharsa import SHARSA
from baselines.smore_action_free import SMOReActionFree
from baselines.smore_actor_critic import SMOReActorCritic
from baselines.sql import GCSQL
from baselines.stable_crl import StableCRL
from baselines.u2o import U2O
from baselines.wgcsl import WGCSL
from baselines.xql import GCXQL
from smore_sweep.discovery import load_file
from smore_sweep.episodes import Episodes
from smore_sweep.errors import UserError
from smore_sweep.method import Method, knobs, stackable_knobs
from smore_sweep.smore import DIVERGENCES, SMORe
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.experience import Experience
from smore_sweep.stacked.replay import Replay
from smore_sweep.task import Sizes
from smore_sweep.training.learner import Arrays, Learner
from tests.contract.best_of_noise import BestOfNoise


def own_method() -> Method | None:
    """Return the method of ``pytest --method FILE.py:CLASS`` or ``--method MODULE:CLASS``."""
    where, _, name = os.environ.get("TESTED_METHOD", "").partition(":")
    if not where:
        return None
    module = load_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    kind: type[Method] = getattr(module, name)
    return kind(**({"hidden": 16} if "hidden" in knobs(kind) else {}))


SHIPPED: list[Method] = [
    SMORe(hidden=16),
    SMORe(hidden=16, variant="printed"),
    SMORe(hidden=16, variant="release"),
    SMORe(hidden=16, variant="release_stable"),
    SMORe(hidden=16, initial_action="policy"),
    *(SMORe(hidden=16, divergence=name) for name in DIVERGENCES if name != "pearson"),
    SMORe(hidden=16, moved_share=0.5),
    SMORe(hidden=16, extraction="gradient"),
    SMORe(hidden=16, extraction="gradient", initial_action="policy"),
    SMORe(hidden=16, extraction="gradient_bc"),
    SMORe(hidden=16, extraction="gradient_bc", critic_acts=True, opex=0.1),
    SMORe(hidden=16, extraction="gradient_bc", critic_acts=True, ttt=0.01),
    SMORe(hidden=16, extraction="sampling", samples=4),
    SMOReActorCritic(hidden=16),
    SMOReActionFree(hidden=16),
    GoFAR(hidden=16),
    GoFAR(hidden=16, divergence="kl"),
    GoFAR(hidden=16, reward="binary"),
    GoFARExpectile(hidden=16),
    GCSL(hidden=16),
    WGCSL(hidden=16),
    WGCSL(hidden=16, variant="gofar_code"),
    WGCSL(hidden=16, discount_weight=False),
    AM(hidden=16),
    AM(hidden=16, variant="paper"),
    *(AM(hidden=16, extraction=name) for name in ("gradient_bc", "sampling")),
    DDPG(hidden=16),
    GCIQL(hidden=16),
    *(GCIQL(hidden=16, relabelling=name) for name in ("geometric", "random", "next")),
    *(GCIQL(hidden=16, extraction=name) for name in ("gradient", "gradient_bc", "sampling")),
    GCSQL(hidden=16, learning_rate=0.02),  # its policy stands still until V has come down to the best Q
    GCEQL(hidden=16),
    GCXQL(hidden=16),
    CRL(hidden=16),
    *(CRL(hidden=16, extraction=name) for name in ("awr", "gradient", "gradient_bc", "sampling")),
    CFGRL(hidden=16),
    HierarchicalCFGRL(hidden=16, subgoal_steps=2),
    HierarchicalCFGRL(hidden=16, subgoal_steps=2, order_filter=True),
    SHARSA(hidden=16, subgoal_steps=2),
    SHARSA(hidden=16, subgoal_steps=2, double=True, samples=4),
    GCFQL(hidden=16),
    GCBC(hidden=16),
    GCIVL(hidden=16),
    GCIVL(hidden=16, random_policy_goals=0.5),
    OGBenchGCIQL(hidden=16),
    HILP(hidden=16, latent=4),
    HILP(hidden=16, latent=4, waypoints=3),
    U2O(hidden=16, latent=4),
    FRE(hidden=16, latent=8, encoder_share=1 / 30),  # the encoder has the first update
    InFOM(hidden=16, latent=8, futures=3),
    OGBenchCRL(hidden=16, repr_dim=24),
    QRL(hidden=16, components=4),
    QRL(hidden=16, components=4, normalize_inputs=True),
    HIQL(hidden=16, subgoal_steps=2),
    HIQL(hidden=16, subgoal_steps=2, random_policy_goals=0.5),
    BestOfNoise(hidden=16),
]
IDLE: dict[type[Method], tuple[str, ...]] = {
    HILP: ("phi/shift2", "phi/b3"),
    U2O: ("phi/shift2", "phi/b3", "bridge/b0"),
}
"""Leaves that no loss depends on: distances do not see where their space has its origin; the bridge is computed."""
VECTORS: list[Method] = [
    ImageSMORe(hidden=16, encoder="none"),
    ImageGCIQL(hidden=16, encoder="none"),
    ImageGCBC(hidden=16, encoder="none"),
    StableCRL(hidden=16, encoder="none"),
    StableCRL(hidden=16, encoder="none", loss="nce"),
]
"""The methods that see images, on vectors; tests/contract/test_image_methods.py has them on images. Their last layers
start at almost 0."""
SHIPPED += VECTORS
METHODS = [own] if (own := own_method()) else SHIPPED
every_method = pytest.mark.parametrize("method", METHODS, ids=[m.label.replace(" hidden=16", "") for m in METHODS])

CPU = torch.device("cpu")
SIZES = Sizes(observation=3, goal=2, action=2)
EPISODES, HORIZON, BATCH, UPDATES = 8, 5, 12, 30
SEEDS = (3, 11, 7)
EXPERTS = (2, 0, 8)
KNOBS = {
    "beta": (0.5, 0.2, 0.9),
    "expectile": (0.8, 0.6, 0.7),
    "temperature": (3.0, 1.0, 0.0),
    "her_ratio": (0.8, 0.0, 1.0),
    "critic_her_ratio": (0.8, 0.5, 0.0),
    "baw_delta": (0.15, 10.0, 40.0),
    "action_l2": (1.0, 0.1, 0.0),
    "bc_weight": (0.4, 0.1, 2.0),
    "alpha": (1.0, 0.3, 2.0),
    "max_clip": (7.0, 5.0, 0.3),
    "bc_coefficient": (0.05, 0.2, 0.5),
}


def sizes_of(method: Method) -> Sizes:
    """The world's sizes; goals are as large as observations for a method that takes them as such."""
    return dataclasses.replace(SIZES, goal=SIZES.observation) if method.whole_goals else SIZES


def pool(seed: int, sizes: Sizes = SIZES) -> Episodes:
    random = np.random.default_rng(seed)

    def normal(*shape: int) -> NDArray[np.float32]:
        return random.normal(size=shape).astype(np.float32)

    return Episodes(
        normal(EPISODES, HORIZON + 1, sizes.observation),
        np.tanh(normal(EPISODES, HORIZON, sizes.action)),
        normal(EPISODES, HORIZON + 1, sizes.goal),
        normal(EPISODES, sizes.goal),
    )


@functools.cache
def store(sizes: Sizes) -> EpisodeStore:
    return EpisodeStore.build(pool(0, sizes), pool(1, sizes), 0.8)


def values_of(method: Method, name: str) -> tuple[float, float, float]:
    """Return three values of a stackable knob; half and 0.9 of the default for a knob of a method of one's own."""
    default = float(getattr(method, name))
    return KNOBS.get(name, (default, 0.5 * default, 0.9 * default))


def has(method: Method, name: str) -> bool:
    """Whether the method's variant has this knob of the class."""
    try:
        dataclasses.replace(method, **{name: values_of(method, name)[1]})  # type: ignore[type-var]
    except UserError:
        return False
    return True


def stack(
    method: Method,
    members: Sequence[int] = (0, 1, 2),
    batch: int = BATCH,
    room: int = 0,
    device: torch.device | None = None,
) -> Learner:
    """A stack of some of three members, which differ in seed, expert share and every stackable knob they have. With
    ``room`` for episodes it can go on online."""
    stackable = [name for name in stackable_knobs(type(method)) if has(method, name)]
    methods = [dataclasses.replace(method, **{name: values_of(method, name)[m] for name in stackable}) for m in members]  # type: ignore[type-var]
    sizes, device = sizes_of(method), device or CPU
    replay = Replay(
        store(sizes),
        expert_episodes=[EXPERTS[m] for m in members],
        episodes=EPISODES,
        threshold=0.8,
        normalize=method.normalize_inputs,
        whole_goals=method.whole_goals,
        device=device,
    )
    seeds = [SEEDS[m] for m in members]
    experience = Experience(replay, room, np.zeros(sizes.goal, np.float32)) if room else None
    return Learner(
        methods, seeds, sizes, replay, batch_size=batch, updates=UPDATES, device=device, experience=experience
    )


def trained(learner: Learner, updates: int) -> Learner:
    for _ in range(updates):
        learner.update()
    return learner


def saved(learner: Learner) -> list[Arrays]:
    return [{name: array.copy() for name, array in member.items()} for member in learner.state()]


def assert_equal(first: Arrays, second: Arrays) -> None:
    assert first.keys() == second.keys()
    for name in first:
        assert np.array_equal(first[name], second[name]), f"{name}: {np.abs(first[name] - second[name]).max()}"


def leaves(learner: Learner) -> dict[str, torch.Tensor]:
    """Every parameter leaf, ``[M, copies, ...]``."""
    return {
        f"{name}/{leaf}": net.by_member(values).clone()
        for name, net in learner.nets.items()
        for leaf, values in net.leaves(net.flat.detach()).items()
    }
