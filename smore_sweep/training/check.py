"""Try a method of a user's on one small batch, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smore_sweep.episodes import Episodes
from smore_sweep.errors import DeclarationError, first_line
from smore_sweep.images import WHITE
from smore_sweep.method import Method
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.experience import Experience
from smore_sweep.stacked.replay import Batch, Replay
from smore_sweep.stacked.rng import Draws
from smore_sweep.task import Sizes
from smore_sweep.training.learner import Arrays, Learner
from smore_sweep.training.policy import restore
from smore_sweep.user_code import own_line

MEMBERS, EPISODES, STEPS, BATCH = 3, 4, 5, 7
"""Of the trial. All differ, so that axes cannot be confused."""


def check_method(method: Method, sizes: Sizes) -> None:
    """Build a small stack of a method, compute its losses on random episodes, and act.

    Raises:
        DeclarationError: If a part of the method fails, or gives something of another type, name or shape than it must.
    """
    name = type(method).__name__
    device = torch.device("cpu")
    episodes = _random_episodes(sizes, EPISODES)
    store = EpisodeStore.build(episodes, episodes, 0.1, sizes.image)
    replay = Replay(
        store,
        expert_episodes=[2] * MEMBERS,
        episodes=EPISODES,
        threshold=0.1,
        normalize=method.normalize_inputs,
        whole_goals=method.whole_goals,
        device=device,
    )
    online = method.learns_online and not sizes.image
    with _blaming(f"{name}.networks"):
        learner = Learner(
            [method.as_trained()] * MEMBERS, range(MEMBERS), sizes, replay, batch_size=BATCH, updates=10, device=device,
            experience=Experience(replay, 1, np.zeros(sizes.goal, np.float32)) if online else None,
        )  # fmt: skip
    nets = learner.nets
    with _blaming(f"{name}.acts_with"):
        acting = method.acts_with
    if not acting:
        raise DeclarationError(f"{name}.acts_with: no network acts; name one of: {', '.join(nets)}")
    for net in acting:
        if net not in nets:
            raise DeclarationError(
                f"{name}.networks: there is no network {net!r}, which acts; it has: {', '.join(nets)}"
            )
    before = {net: nets[net].flat.detach().clone() for net in acting}
    _check_losses(learner, f"{name}.losses", method.losses)
    for net, parameters in before.items():
        spec = nets[net].spec
        still = spec.takes_turns or not spec.learning_rate or method.learns_online
        if not still and torch.equal(nets[net].flat, parameters):
            raise DeclarationError(
                f"{name}.losses: no loss trains {net!r}, which acts; add its loss, or declare it with learning_rate=0"
            )
    _check_acting(method, sizes, learner.policies()[0])
    if online:
        with _blaming(f"{name}.begin_online"):
            learner.begin_online()
        _check_losses(learner, f"{name}.online_losses", method.online_losses)
        _check_acting(method, sizes, learner.policies()[0], exploring=True)


def _check_losses(learner: Learner, name: str, compute: Callable[..., object]) -> None:
    """Compute the losses of a phase by its function, called ``name``, and make an update."""
    with _blaming(f"{type(learner.method).__name__}.sample"):
        batch = learner.sample()
    with _blaming(name):
        losses, info = _pair(name, compute(learner.nets, batch, learner.knobs))
    if not losses:
        raise DeclarationError(f"{name}: there is no loss")
    for part, values in (("losses", losses), ("info", info)):
        for key, value in values.items():
            if not isinstance(value, torch.Tensor):
                raise DeclarationError(f"{name}: {key!r} of its {part} is a {type(value).__name__}, not a tensor [M]")
            if value.shape != (MEMBERS,):
                raise DeclarationError(
                    f"{name}: {key!r} of its {part} has shape {list(value.shape)} in a stack of {MEMBERS}; "
                    "it must be [M], one number per member: take means over the batch and not over members"
                )
    if not any(loss.requires_grad for loss in losses.values()):
        acting = learner.method.acts_with[0]
        raise DeclarationError(f"{name}: no loss has a gradient; call a network, as nets[{acting!r}](...)")
    _check_numbers(learner, name, compute, batch, losses)
    with _blaming(name):
        learner.update()


def _check_numbers(
    learner: Learner, name: str, compute: Callable[..., object], batch: Batch, losses: dict[str, torch.Tensor]
) -> None:
    """Check that the losses are numbers, the same if they are computed again, and each member's own."""
    moved = batch.observations.clone()
    moved[0] = moved[0].flip(-1)
    with _blaming(name):
        again, _ = _pair(name, compute(learner.nets, batch, learner.knobs))
        beside, _ = _pair(name, compute(learner.nets, replace(batch, observations=moved), learner.knobs))
    for key, loss in losses.items():
        if not loss.isfinite().all():
            raise DeclarationError(f"{name}: {key!r} is {loss.tolist()} on a first batch of numbers from -1 to 1")
        if not torch.equal(loss, again[key]):
            raise DeclarationError(
                f"{name}: {key!r} is another one if it is computed again; take random numbers from streams, in sample"
            )
        if not torch.equal(loss[1:], beside[key][1:]):
            raise DeclarationError(
                f"{name}: {key!r} of a member depends on another member; take means over the batch and not over members"
            )


def _check_acting(method: Method, sizes: Sizes, arrays: Arrays, *, exploring: bool = False) -> None:
    """Act by what is kept of a member."""
    part = "act" if type(method).sample_actions is Method.sample_actions else "sample_actions"
    name = f"{type(method).__name__}.{'explore' if exploring else part}"
    observations, goals = (np.zeros((1, BATCH, size), np.float32) for size in (sizes.observation, sizes.goal))
    policy, draws = restore(method, sizes, arrays), Draws("check", range(BATCH), 0)
    act = policy.explore if exploring else policy.act
    with _blaming(name):
        actions, again = (act(observations, goals, draws) for _ in range(2))
    if actions.shape != (1, BATCH, sizes.action):
        raise DeclarationError(
            f"{name}: actions have shape {list(actions.shape)}; they must be [M, B, a], here {[1, BATCH, sizes.action]}"
        )
    if not np.array_equal(actions, again):
        raise DeclarationError(f"{name}: equal arguments yield other actions; take random numbers from draws alone")


def _pair(name: str, result: object) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    if not isinstance(result, tuple) or len(result) != 2 or not all(isinstance(part, dict) for part in result):
        raise DeclarationError(
            f"{name}: it returns a {type(result).__name__}; it must be (losses, info), two dictionaries"
        )
    return result


def _random_episodes(sizes: Sizes, count: int) -> Episodes:
    random = np.random.default_rng(0)

    def numbers(*shape: int) -> NDArray[np.float32]:
        return random.uniform(-1.0, 1.0, shape).astype(np.float32)

    observations: NDArray[Any] = numbers(count, STEPS + 1, sizes.observation)
    if sizes.image:
        observations = random.integers(0, WHITE, observations.shape, np.uint8, endpoint=True)
    return Episodes.of(
        {
            "observations": observations,
            "actions": numbers(count, STEPS, sizes.action),
            "achieved_goals": numbers(count, STEPS + 1, sizes.goal),
            "desired_goals": numbers(count, sizes.goal),
        }
    )


@contextmanager
def _blaming(part: str) -> Iterator[None]:
    """Turn an error into a :class:`DeclarationError` that names the user's line."""
    try:
        yield
    except DeclarationError:
        raise
    except Exception as error:
        raise DeclarationError(f"{part}: {type(error).__name__}: {first_line(error)}{own_line(error)}") from error
