"""The contract, from images: stacks of methods with encoders, and their crops."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from baselines._images import ImageMethod
from baselines.image_gcbc import ImageGCBC
from baselines.image_iql import ImageGCIQL
from baselines.image_smore import ImageSMORe
from baselines.stable_crl import StableCRL
from smore_sweep.bench.flops import count_flops
from smore_sweep.bench.synthetic import make_budget, make_runs
from smore_sweep.episodes import Episodes
from smore_sweep.errors import DeclarationError
from smore_sweep.method import stackable_knobs
from smore_sweep.smore import SMORe
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.replay import Batch, Replay
from smore_sweep.stacked.rng import Draws
from smore_sweep.task import Sizes
from smore_sweep.training.check import check_method
from smore_sweep.training.learner import Learner
from smore_sweep.training.policy import restore
from tests.contract.members import SEEDS, assert_equal, leaves, saved, trained, values_of

SIZES = Sizes(768, 768, 2, image=(16, 16, 3))
EPISODES, HORIZON, BATCH = 6, 5, 12
CPU = torch.device("cpu")
METHODS: list[ImageMethod] = [
    ImageSMORe(hidden=16),
    ImageSMORe(hidden=16, crop="different"),
    ImageGCIQL(hidden=16),
    ImageGCBC(hidden=16),
    ImageGCBC(hidden=16, crop="none"),
    StableCRL(hidden=16),
    StableCRL(hidden=16, loss="nce", crop="different"),
]
every_method = pytest.mark.parametrize("method", METHODS, ids=[m.label.replace(" hidden=16", "") for m in METHODS])


def store() -> EpisodeStore:
    random = np.random.default_rng(0)
    episodes = Episodes.of(
        {
            "observations": random.integers(0, 256, (EPISODES, HORIZON + 1, 768), np.uint8),
            "actions": np.tanh(random.normal(size=(EPISODES, HORIZON, 2))).astype(np.float32),
        }
    )
    return EpisodeStore.build(episodes, episodes.first(0), 1.0, SIZES.image)


STORE = store()


def stack(method: ImageMethod, members: Sequence[int] = (0, 1, 2), device: torch.device = CPU) -> Learner:
    knobs = stackable_knobs(type(method))
    methods = [dataclasses.replace(method, **{name: values_of(method, name)[m] for name in knobs}) for m in members]  # type: ignore[arg-type]
    replay = Replay(
        STORE,
        expert_episodes=[EPISODES] * len(members),
        episodes=EPISODES,
        threshold=1.0,
        normalize=method.normalize_inputs,
        device=device,
    )
    seeds = [SEEDS[m] for m in members]
    return Learner(methods, seeds, SIZES, replay, batch_size=BATCH, updates=30, device=device)


@every_method
def test_a_stack_of_three_equals_stacks_of_one_and_of_others(method: ImageMethod) -> None:
    together = trained(stack(method), 3)
    for members in ([0], [2, 1]):
        apart = trained(stack(method, members), 3)
        for slot, member in enumerate(members):
            assert_equal(together.state()[member], apart.state()[slot])
            for name, values in apart.metrics().items():
                assert values[slot] == together.metrics()[name][member], name


@every_method
def test_a_loaded_state_goes_on_exactly(method: ImageMethod) -> None:
    undisturbed = trained(stack(method), 5).state()
    before = saved(trained(stack(method), 3))
    resumed = stack(method)
    resumed.load(before, 3)
    for first, second in zip(undisturbed, trained(resumed, 2).state(), strict=True):
        assert_equal(first, second)


@every_method
def test_every_parameter_moves(method: ImageMethod) -> None:
    learner = stack(method)
    before = leaves(learner)
    for name, after in leaves(trained(learner, 25)).items():  # last layers start at almost 0
        moved = (after - before[name]).abs().flatten(2).amax(-1)
        assert (moved > 1e-5).all(), name
        assert torch.isfinite(after).all(), name


@every_method
def test_a_kept_policy_acts_on_raw_images_as_the_learner_did(method: ImageMethod) -> None:
    learner = trained(stack(method), 6)
    random = np.random.default_rng(1)
    observations, goals = (random.integers(0, 256, (1, 4, 768), np.uint8) for _ in range(2))
    draws = Draws("Task", range(4), 0)
    for member, arrays in enumerate(learner.policies()):
        alone = trained(stack(method, [member]), 6)
        states, wanted = (torch.from_numpy(images).float() / 255 for images in (observations, goals))
        with torch.no_grad():
            actions = method.act(alone.nets, states, wanted).numpy()
        kept = restore(method, SIZES, arrays).act(observations, goals, draws)
        assert np.array_equal(kept, actions)
        assert not np.allclose(kept[0, 0], kept[0, 1])


@every_method
def test_no_pass_is_made_that_is_not_declared(method: ImageMethod) -> None:
    wide = stack(dataclasses.replace(method, hidden=96), members=[0])
    # The first convolution needs no gradient of the images, which is most of what is declared and not made.
    assert 0.75 <= count_flops(wide.update) / wide.method.flops(SIZES, BATCH) <= 1.0


@every_method
def test_the_trial_of_methods_before_a_sweep_accepts_them(method: ImageMethod) -> None:
    check_method(method, SIZES)


def test_networks_fit_the_task_or_are_refused() -> None:
    with pytest.raises(DeclarationError, match="needs images; for vectors take encoder = 'none'"):
        ImageSMORe().networks(Sizes(16, 16, 5))
    with pytest.raises(DeclarationError, match="has no use for images"):
        ImageSMORe(encoder="none").networks(SIZES)
    with pytest.raises(DeclarationError, match="has no crop"):
        ImageGCBC(encoder="none", crop="different")
    with pytest.raises(DeclarationError, match="normalize_inputs is for vectors; images are never normalised"):
        ImageSMORe(normalize_inputs=True)
    assert ImageSMORe(encoder="none", normalize_inputs=True).normalize_inputs
    with pytest.raises(DeclarationError, match="TabletopImages: moved_share is not for SMORe on images"):
        make_runs(SMORe(moved_share=0.5), [0], make_budget(8), "TabletopImages")
    with pytest.raises(DeclarationError, match="has no target_rate"):
        StableCRL(loss="nce", target_rate=0.1)


@pytest.mark.parametrize("crop", ["same", "different", "none"])
def test_crops_move_half_of_the_batches_and_goals_as_declared(crop: str) -> None:
    learner = stack(ImageGCIQL(hidden=16, crop=crop))
    moved, together = [], []
    for step in range(40):
        learner.step.fill_(step)
        batch = learner.sample()
        assert isinstance(batch, Batch)
        assert batch.policy_observations is not None
        assert batch.policy_goals is not None
        for member in range(3):
            changed = (batch.policy_observations[member] != batch.observations[member]).any(-1)
            moved.append(bool(changed.any()))
            own = _shifts(batch.observations[member], batch.policy_observations[member])
            of_goals = _shifts(batch.goals[member], batch.policy_goals[member])
            together.append(own == of_goals)
    if crop == "none":
        assert not any(moved)
        return
    assert 0.35 < np.mean(moved) < 0.65
    assert all(together) == (crop == "same")
    assert len({tuple(moved[m::3]) for m in range(3)}) == 3  # each member has its own coin


def _shifts(before: torch.Tensor, after: torch.Tensor) -> list[tuple[int, int]]:
    """Find by how much each image is moved, by trying."""
    found = []
    for old, new in zip(before.view(-1, 16, 16, 3), after.view(-1, 16, 16, 3), strict=True):
        index = torch.arange(16)
        matches = [
            (down, right)
            for down in range(-4, 5)
            for right in range(-4, 5)
            if torch.equal(old[(index + down).clamp(0, 15)][:, (index + right).clamp(0, 15)], new)
        ]
        assert len(matches) == 1
        found += matches
    return found
