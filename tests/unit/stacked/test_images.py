"""Batches of images, and their crops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smore_sweep.episodes import Episodes
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.images import PADDING, random_crop, scaled
from smore_sweep.stacked.replay import Replay
from smore_sweep.stacked.rng import Streams

IMAGE = (6, 5, 3)
N, T, MEMBERS = 4, 3, 2
CPU = torch.device("cpu")


def episodes() -> Episodes:
    random = np.random.default_rng(0)
    observations = random.integers(0, 256, (N, T + 1, 90), np.uint8)
    return Episodes.of({"observations": observations, "actions": random.normal(size=(N, T, 2)).astype(np.float32)})


def replay(normalize: bool = False) -> Replay:
    data = episodes()
    store = EpisodeStore.build(data, data.first(0), 1.0, IMAGE)
    return Replay(store, expert_episodes=[N] * MEMBERS, episodes=N, threshold=1.0, normalize=normalize, device=CPU)


def numbers(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> torch.Tensor:
    return torch.from_numpy(array).float() / 255


def test_batches_hold_the_images_of_their_transitions_from_0_to_1() -> None:
    world, data = replay(), episodes()
    uniform = torch.rand(4, MEMBERS, 40, generator=torch.Generator().manual_seed(0))
    drawn = world.goals.future_goals(uniform, torch.full((MEMBERS, 1), 0.5))
    batch = world.batch(drawn, initial=True, offsets=True)
    assert batch.initial_observations is not None
    assert batch.offsets is not None
    commanded = 0
    for member in range(MEMBERS):
        for row in range(40):
            n, t = int(drawn.episode[member, row]), int(drawn.time[member, row])
            when = int(drawn.goal[member, row]) - n * (T + 1)
            commanded += when == T
            assert t < when <= T  # a commanded goal is the episode's last image
            for got, time in (
                (batch.observations, t),
                (batch.next_observations, t + 1),
                (batch.goals, when),
                (batch.achieved_goals, t),
                (batch.initial_observations, 0),
            ):
                torch.testing.assert_close(got[member, row], numbers(data.observations[n, time]), rtol=0, atol=0)
            assert float(batch.rewards[member, row]) == (0.0 if when == t + 1 else -1.0)
            assert int(batch.offsets[member, row]) == when - t - 1
            torch.testing.assert_close(batch.actions[member, row], torch.from_numpy(data.actions[n, t]))
    assert commanded > 40


def test_goal_transitions_enter_the_last_image_or_one_on_the_way() -> None:
    world = replay()
    uniform = torch.rand(4, MEMBERS, 60, generator=torch.Generator().manual_seed(1))
    drawn = world.goals.goal_transitions(uniform, torch.zeros(MEMBERS, 1))
    assert (drawn.time == T - 1).all()
    assert (drawn.goal == drawn.episode * (T + 1) + T).all()
    assert (world.batch(drawn).rewards == 0).all()


def test_images_are_not_normalised_by_statistics() -> None:
    assert replay(normalize=True).statistics == []


def test_the_tables_are_the_episodes_own_memory() -> None:
    data = episodes()
    store = EpisodeStore.build(data, data.first(0), 1.0, IMAGE)
    world = Replay(store, expert_episodes=[N], episodes=N, threshold=1.0, normalize=False, device=CPU)
    assert world.goals.table.data_ptr() == world._states.data_ptr() == data.observations.ctypes.data
    assert world.goals.table.dtype == torch.uint8


def moved(image: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """Pad by the edge, then cut out."""
    height, width, channels = IMAGE
    picture = image.view(height, width, channels).permute(2, 0, 1)[None]
    padded = torch.nn.functional.pad(picture, [PADDING] * 4, mode="replicate")
    top, left = PADDING + down, PADDING + right
    return padded[0, :, top : top + height, left : left + width].permute(1, 2, 0).reshape(-1)


def test_a_crop_is_a_part_of_the_padded_image() -> None:
    images = torch.rand(MEMBERS, 20, 90, generator=torch.Generator().manual_seed(0))
    uniform = torch.rand(2, MEMBERS, 20, generator=torch.Generator().manual_seed(1))
    uniform[:, 0, :2] = torch.tensor([0.0, 1 - 2**-24])
    cropped = random_crop(images, IMAGE, uniform)
    shifts = (uniform * 9).floor().long() - 4
    assert [int(shifts.min()), int(shifts.max())] == [-4, 4]
    for member in range(MEMBERS):
        for row in range(20):
            expected = moved(images[member, row], *shifts[:, member, row].tolist())
            torch.testing.assert_close(cropped[member, row], expected, rtol=0, atol=0)


def test_equal_numbers_crop_alike_and_the_middle_one_changes_nothing() -> None:
    images = torch.rand(MEMBERS, 8, 90)
    uniform = torch.rand(2, MEMBERS, 8)
    both = torch.cat([random_crop(images, IMAGE, uniform), random_crop(images.flip(1), IMAGE, uniform.flip(2))], 1)
    torch.testing.assert_close(both[:, :8], both[:, 8:].flip(1), rtol=0, atol=0)
    assert torch.equal(random_crop(images, IMAGE, torch.full((2, MEMBERS, 8), 0.5)), images)


@pytest.mark.parametrize("seeds", [(3, 8), (8,)])
def test_keyed_crops_do_not_depend_on_the_stack(seeds: tuple[int, ...]) -> None:
    images = torch.rand(1, 6, 90, generator=torch.Generator().manual_seed(0)).expand(len(seeds), -1, -1)
    cropped = random_crop(images, IMAGE, Streams(seeds, torch.tensor(5)).uniform("crop", 2, 6))
    alone = random_crop(images[:1], IMAGE, Streams([8], torch.tensor(5)).uniform("crop", 2, 6))
    assert torch.equal(cropped[-1], alone[0])
    if len(seeds) > 1:
        assert not torch.equal(cropped[0], cropped[1])


def test_only_uint8_is_scaled() -> None:
    values = torch.tensor([0, 51, 255], dtype=torch.uint8)
    assert scaled(values).tolist() == pytest.approx([0.0, 0.2, 1.0])
    floats = torch.tensor([2.0, -1.0])
    assert scaled(floats) is floats
