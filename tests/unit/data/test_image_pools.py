"""Datasets of images: bytes on disk and in memory, each pixel once."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from rich.console import Console

from smore_sweep.data import generate, packed, pools, summary
from smore_sweep.data.rollout import rollout
from smore_sweep.episodes import Episodes, concatenate
from smore_sweep.errors import DatasetError
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.tasks import task
from tests.unit.envs.drawing import needs_pictures

OUT = Console(quiet=True)
NAME, POLICY = "TabletopImages", "primitives"
IMAGE = task(NAME).sizes.image


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


def made_up(count: int, steps: int = 6) -> Episodes:
    random = np.random.default_rng(count)
    return Episodes.of(
        {
            "observations": random.integers(0, 256, (count, steps + 1, task(NAME).sizes.observation), np.uint8),
            "actions": np.tanh(random.normal(size=(count, steps, 5))).astype(np.float32),
        }
    )


def assert_same(one: Episodes, other: Episodes) -> None:
    for name, array in vars(one).items():
        assert array.dtype == getattr(other, name).dtype
        np.testing.assert_array_equal(array, getattr(other, name))


def save(episodes: Episodes) -> None:
    facts = generate._facts(NAME, POLICY)
    with pools.writing(NAME, POLICY, lambda _: None):
        pools.save(NAME, POLICY, episodes, facts)


@needs_pictures
def test_episodes_are_generated_on_processes(root: Path) -> None:
    generate.ensure(OUT, NAME, POLICY, 14)  # two jobs
    episodes = pools.load(NAME, POLICY, 14)
    assert episodes.observations.shape == (14, 76, 6912)
    for first in (0, 12):
        assert_same(
            Episodes.of({name: array[first : first + 2] for name, array in episodes.own_arrays().items()}),
            rollout(NAME, POLICY, first, 2),
        )
    assert len({image.tobytes() for image in episodes.observations[:, 0]}) == 14  # no two scenes are alike


def test_the_minari_file_and_the_packed_arrays_give_the_same_bytes(root: Path) -> None:
    episodes = made_up(3)
    save(episodes)
    folder = pools.folder(NAME, POLICY)
    assert sorted(path.name for path in (folder / "packed").iterdir()) == ["actions.npy", "observations.npy"]
    assert_same(pools.load(NAME, POLICY, 3), episodes)
    for path in (folder / "packed").iterdir():
        path.unlink()
    assert_same(pools.load(NAME, POLICY, 3), episodes)  # from the HDF5 file, which the arrays are made of again
    assert packed.read(folder, folder / "data" / "main_data.hdf5", "uint8") is not None
    assert pools.metadata(NAME, POLICY)["fingerprint"] == episodes.fingerprint()


def test_minari_reads_images_and_goals(root: Path) -> None:
    import minari

    episodes = made_up(2)
    save(episodes)
    first, second = minari.load_dataset(f"smore/{NAME}/{POLICY}-v1").iterate_episodes()
    np.testing.assert_array_equal(first.observations["observation"], episodes.observations[0])
    np.testing.assert_array_equal(second.observations["achieved_goal"], episodes.observations[1])
    np.testing.assert_array_equal(second.observations["desired_goal"], np.tile(episodes.observations[1, -1], (7, 1)))
    assert second.rewards.tolist() == [-1.0] * 5 + [0.0]


def test_the_minari_file_holds_each_image_once(root: Path) -> None:
    episodes = made_up(2, steps=20)  # noise, which does not compress
    save(episodes)
    size = (pools.folder(NAME, POLICY) / "data" / "main_data.hdf5").stat().st_size
    assert size < 1.2 * episodes.observations.nbytes


def test_a_changed_pixel_is_found(root: Path) -> None:
    save(made_up(2))
    path = pools.folder(NAME, POLICY) / "packed" / "observations.npy"
    array = np.load(path)
    array[1, 2, 3] ^= 1
    np.save(path, array)
    assert_same(pools.load(NAME, POLICY, 2), made_up(2))  # made again of the HDF5 file
    main = pools.folder(NAME, POLICY) / "data" / "main_data.hdf5"
    path.unlink()
    with h5py.File(main) as file:
        chunk = file["episode_1/observations/observation"].id.get_chunk_info(0)
    data = bytearray(main.read_bytes())
    data[chunk.byte_offset + chunk.size // 2] ^= 1
    main.write_bytes(data)
    with pytest.raises(DatasetError, match="damaged"):
        pools.load(NAME, POLICY, 2)


def test_goals_are_views_and_the_store_copies_nothing() -> None:
    episodes = made_up(4)
    half = episodes.first(2)
    for array in (half.achieved_goals, half.desired_goals, concatenate([half, half.first(0)]).observations):
        assert np.shares_memory(array, episodes.observations)
    np.testing.assert_array_equal(half.desired_goals, half.observations[:, -1])
    store = EpisodeStore.build(episodes, episodes.first(0), 1.0, IMAGE)
    for table in (store.states, store.goals):
        assert table.dtype == np.uint8
        assert np.shares_memory(table, episodes.observations)
    assert store.states.shape == (4 * 7, 6912)
    assert store.hits.tolist() == [[n, 6] for n in range(4)]


def test_fingerprints_depend_on_each_pixel_and_action() -> None:
    prints = {made_up(2).fingerprint()}
    for name in ("observations", "actions"):
        arrays = {key: array.copy() for key, array in made_up(2).own_arrays().items()}
        arrays[name].flat[-1] = arrays[name].flat[0]
        prints.add(Episodes.of(arrays).fingerprint())
    assert len(prints) == 3


def test_the_summary_shows_images(root: Path) -> None:
    save(made_up(2))
    summary.draw(NAME, "generated", root / "picture.png")
    assert (root / "picture.png").stat().st_size > 10_000
    outcomes = summary.outcomes_of(NAME, made_up(2))
    expected = np.linalg.norm((made_up(2).observations[:, 1:] / 255 - made_up(2).desired_goals[:, None] / 255), axis=-1)
    np.testing.assert_allclose(outcomes.distances, expected, rtol=1e-5)
    assert outcomes.reached[:, -1].all()
    assert not outcomes.reached[:, :-1].any()
    assert len(summary.table(NAME).columns) == 2
