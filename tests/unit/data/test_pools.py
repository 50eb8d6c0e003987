"""Pools of episodes: they grow without changing, survive kills, and an expert share of 0 or 1 needs only one."""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from examples.wall.world import Wall, walk
from smore_sweep import Budget, RunSpec, Sweep, Task
from smore_sweep.data import generate, pools
from smore_sweep.data.rollout import rollout
from smore_sweep.episodes import Episodes, concatenate
from smore_sweep.errors import DatasetError, DeclarationError
from smore_sweep.execution.datasets import missing_episodes
from smore_sweep.hashing import seal
from smore_sweep.planning.plan import Plan
from smore_sweep.results.record import MISSING
from smore_sweep.run_spec import GENERATED
from smore_sweep.seeding import episode_seed
from smore_sweep.smore import SMORe
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.storage.lock import queue
from smore_sweep.tasks import declare

OUT = Console(quiet=True)


class OtherWall(Wall):
    """Another environment of the same sizes."""

    def __init__(self, render_mode: str | None = None, size: int = 1) -> None:
        super().__init__(render_mode)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


def made_up(count: int, steps: int = 50) -> Episodes:
    generator = np.random.default_rng(count)

    def arrays(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.tanh(generator.normal(size=shape)).astype(np.float32)

    return Episodes(
        arrays(count, steps + 1, 11), arrays(count, steps, 2), arrays(count, steps + 1, 2), arrays(count, 2)
    )


def rewrite(facts: dict[str, Any], *, digests: bool = True) -> None:
    """Change the metadata of the pool of random episodes, as a writer would, or one from before the digests."""
    path = pools.folder("Reacher", "random") / "data" / "metadata.json"
    changed = {name: value for name, value in json.loads(path.read_text()).items() if name != "digest"} | facts
    path.write_text(json.dumps(seal(changed) if digests else {k: v for k, v in changed.items() if k != "arrays"}))


def assert_same(one: Episodes, other: Episodes) -> None:
    for name, array in vars(one).items():
        np.testing.assert_array_equal(array, getattr(other, name))


def test_a_pool_grows_without_changing(root: Path) -> None:
    generate.ensure(OUT, "Reacher", "expert", 3)
    small = pools.load("Reacher", "expert", 3)
    generate.ensure(OUT, "Reacher", "expert", 25)
    generate.ensure(OUT, "Reacher", "expert", 4)
    grown = pools.load("Reacher", "expert", 25)
    assert pools.available("Reacher", "expert") == 25
    assert_same(small, grown.first(3))
    assert_same(grown, rollout("Reacher", "expert", 0, 25))
    # The expert reaches its goals, at the last step, within the 5 cm of success.
    assert (np.linalg.norm(grown.achieved_goals[:, -1] - grown.desired_goals, axis=-1) < 0.05).mean() >= 0.8
    assert [path.name for path in root.rglob(".making/smore/Reacher/expert-v1/*")] == ["lock"]


@pytest.mark.parametrize(("first", "end", "size"), [(0, 45, 20), (7, 45, 20), (20, 40, 20), (3, 4, 1), (0, 5, 20)])
def test_jobs_meet_at_multiples(first: int, end: int, size: int) -> None:
    jobs = generate._jobs(first, end, size)
    covered = [number for start, count in jobs for number in range(start, start + count)]
    assert covered == list(range(first, end))
    assert all(start % size == 0 for start, _ in jobs[1:])


def test_minari_reads_what_we_write(root: Path) -> None:
    import minari

    pools.save("Reacher", "expert", made_up(2), generate._facts("Reacher", "expert"))
    dataset = minari.load_dataset("smore/Reacher/expert-v1")
    pool = pools.load("Reacher", "expert", 2)
    (first, second) = dataset.iterate_episodes()
    assert (first.id, second.id) == (0, 1)
    assert [facts["seed"] for facts in dataset.storage.get_episode_metadata([0, 1])] == [
        episode_seed("data", "Reacher", "expert", number) for number in (0, 1)
    ]
    np.testing.assert_array_equal(second.observations["observation"], pool.observations[1])
    np.testing.assert_array_equal(second.observations["desired_goal"], np.tile(pool.desired_goals[1], (51, 1)))
    np.testing.assert_array_equal(second.actions, pool.actions[1])
    distance = np.linalg.norm(pool.achieved_goals[1, 1:] - pool.desired_goals[1], axis=-1)
    np.testing.assert_array_equal(second.rewards, np.where(distance > 0.05, -1.0, 0.0))
    assert second.truncations.tolist() == [False] * 49 + [True]
    assert not second.terminations.any()
    assert list(minari.list_local_datasets()) == ["smore/Reacher/expert-v1"]
    metadata = dataset.storage.metadata
    assert {"task": "Reacher", "policy": "expert", "noise": 0.2, "source": "generated"}.items() <= metadata.items()
    assert metadata["fingerprint"] == pool.fingerprint()
    for package in ("mujoco", "gymnasium", "gymnasium_robotics", "numpy", "smore_sweep"):
        assert metadata[f"{package}_version"]
    assert dataset.recover_environment().spec.id == "smore/Reacher-v0"


def alive(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_an_interrupt_drops_what_has_not_begun(root: Path) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    jobs = 20 * (os.cpu_count() or 1)
    todo = {root / f"{number}.npz": (20 * number, 20) for number in range(jobs)}
    before = multiprocessing.active_children()
    with pytest.raises(KeyboardInterrupt):
        generate._roll_out("Reacher", "random", todo, interrupt)
    assert multiprocessing.active_children() == before  # no worker goes on in the background
    # Jobs under way are finished (a running and a queued one per core), the others are not begun.
    assert 1 <= len(list(root.glob("*.npz"))) < jobs // 2


def test_a_kill_loses_no_finished_job(root: Path) -> None:
    jobs = 15 * (os.cpu_count() or 1)  # of 20 episodes
    episodes = 20 * jobs
    code = (
        "from smore_sweep.console import make_console\nfrom smore_sweep.data import generate\n"
        f"if __name__ == '__main__':\n    generate.ensure(make_console(), 'Reacher', 'random', {episodes})\n"
    )
    script = root / "make.py"
    script.write_text(code)
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.DEVNULL)
    parts = root / ".making/smore/Reacher/random-v1"
    patience = time.monotonic() + 300
    while len(list(parts.glob("*/*.npz"))) < 4 and process.poll() is None and time.monotonic() < patience:
        time.sleep(0.01)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGKILL)
    process.wait()
    while any(map(alive, workers)) and time.monotonic() < patience:
        time.sleep(0.01)
    assert not any(map(alive, workers))  # they end with the driver
    kept = {path: path.stat().st_mtime_ns for path in parts.glob("*/*.npz")}
    assert 4 <= len(kept) < jobs
    assert not (root / "smore/Reacher/random-v1").exists()

    broken = min(kept)  # as after a crash of the machine
    broken.write_bytes(broken.read_bytes()[:100])
    missing = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generate, "_roll_out", lambda name, policy, todo, _: missing.extend(todo))
        patch.setattr(generate, "rollout", lambda *_: made_up(20))  # of the broken part, and of those left out here
        generate.ensure(OUT, "Reacher", "random", episodes)
    assert not set(missing) & set(kept)
    pool = pools.load("Reacher", "random", episodes)
    for path in kept:
        first, count = map(int, path.stem.split("+"))
        wanted = made_up(20) if path == broken else rollout("Reacher", "random", first, count)
        np.testing.assert_array_equal(pool.actions[first : first + count], wanted.actions)
    assert not list(parts.glob("parts-*"))


def test_episodes_of_another_physics_are_not_continued(root: Path) -> None:
    pools.save("Reacher", "random", made_up(2), generate._facts("Reacher", "random"))
    rewrite({"mujoco_version": "2.1"})
    generate.ensure(OUT, "Reacher", "random", 2)
    with pytest.raises(DatasetError, match=r"made with mujoco_version 2.1 and cannot be used with 3"):
        generate.ensure(OUT, "Reacher", "random", 3)


def declared(environment: Any = Wall, horizon: int = 4, **fields: Any) -> None:
    declare([Task("PoolWall", environment, threshold=0.1, horizon=horizon, **{"expert": walk, **fields})])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"horizon": 5}, "was made with horizon 4 and cannot be used with 5; go back to that one, or remove "),
        (
            {"environment": OtherWall},
            "was made with environment examples.wall.world:Wall and cannot be used with tests",
        ),
        ({"environment": functools.partial(Wall, render_mode=None)}, "was made with environment "),
        (
            {"expert": functools.partial(walk)},
            "was made with function examples.wall.world:walk and cannot be used with",
        ),
        ({"expert_noise": 0.1}, "was made with noise 0.2 and cannot be used with 0.1"),
    ],
)
def test_episodes_of_another_declaration_are_not_used(root: Path, fields: dict[str, Any], said: str) -> None:
    declared()
    pools.save("PoolWall", "expert", rollout("PoolWall", "expert", 0, 2), generate._facts("PoolWall", "expert"))
    budget = Budget(episodes=2, updates=1, batch_size=2, evaluate_every=1, evaluation_episodes=1, final_episodes=1)

    def missing() -> dict[tuple[str, str], int]:
        run = RunSpec(method=SMORe(), task="PoolWall", expert_share=1.0, seed=0, scale="smoke", budget=budget)
        sweep = Sweep(name="one", description="", grids=(), scales={})
        return missing_episodes(Plan(sweep, "smoke", GENERATED, [run], {run.run_id: MISSING}, {}))

    assert missing() == {}
    declared(**fields)
    with pytest.raises(DatasetError, match=re.escape(said)):
        generate.ensure(OUT, "PoolWall", "expert", 2)
    with pytest.raises(DatasetError, match=re.escape(said)):
        missing()


def test_what_an_environment_is_bound_to_is_a_fact_of_its_episodes(root: Path) -> None:
    facts = []
    for size in (1, 1, 2):
        declared(functools.partial(OtherWall, size=size))
        facts.append(generate._facts("PoolWall", "random"))
    assert facts[0] == facts[1]
    assert facts[1]["code"] != facts[2]["code"]
    assert "code" not in generate._facts("Reacher", "random")


def test_a_pool_from_before_a_fact_existed_is_used(root: Path) -> None:
    declared()
    pools.save("PoolWall", "expert", rollout("PoolWall", "expert", 0, 2), {})
    declared(functools.partial(Wall))
    generate.ensure(OUT, "PoolWall", "expert", 2)


def test_a_kill_while_a_pool_is_replaced(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = made_up(3), made_up(4)
    pools.save("Reacher", "random", old, {})
    place = pools.folder("Reacher", "random")
    rename = Path.rename

    def die(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", die)
        with pytest.raises(KeyboardInterrupt), pools.writing("Reacher", "random", print):
            pools.save("Reacher", "random", new, {})
    assert not place.exists()
    assert pools.available("Reacher", "random") == 3
    assert_same(pools.load("Reacher", "random", 3), old)
    with pools.writing("Reacher", "random", print) as making:
        assert place.exists()
        assert [path.name for path in making.iterdir()] == ["lock"]
        pools.save("Reacher", "random", new, {})
    assert_same(pools.load("Reacher", "random", 4), new)


def test_packed_arrays_are_made_again(root: Path) -> None:
    pool = made_up(5)
    pools.save("Reacher", "random", pool, {})
    packed = pools.folder("Reacher", "random") / "packed" / "actions.npy"
    mapped = pools.load("Reacher", "random", 4).actions
    assert type(mapped) is np.ndarray
    assert not mapped.flags.writeable  # the file's memory; what is read from HDF5 can be written
    content = packed.read_bytes()
    for damage in (packed.unlink, lambda: packed.write_bytes(content[:-3]), lambda: packed.write_bytes(content[::-1])):
        damage()
        assert_same(pools.load("Reacher", "random", 5), pool)
        assert packed.read_bytes() == content


@pytest.mark.parametrize("digests", [True, False])
def test_damaged_packed_arrays_are_said_in_a_line(root: Path, caplog: pytest.LogCaptureFixture, digests: bool) -> None:
    pool, other = made_up(5), replace(made_up(5), actions=made_up(6).actions[:5])
    pools.save("Reacher", "random", pool, {})
    rewrite({}, digests=digests)
    packed = pools.folder("Reacher", "random") / "packed" / "actions.npy"
    os.utime(packed.parent.parent / "data" / "main_data.hdf5", ns=(0, 0))
    assert_same(pools.load("Reacher", "random", 5), pool)
    assert not caplog.messages
    np.save(packed, other.actions)  # whole, and another pool's
    assert_same(pools.load("Reacher", "random", 5), pool)
    (line,) = caplog.messages
    reason = "its actions do not have their digest" if digests else "its fingerprint is"
    assert f"dataset smore/Reacher/random-v1: packed episodes are damaged ({reason}" in line
    caplog.clear()
    assert_same(pools.load("Reacher", "random", 5), pool)
    assert not caplog.messages


def test_a_changed_number_or_fact_is_noticed(root: Path) -> None:
    pools.save("Reacher", "random", made_up(3), {"noise": 0.2})
    folder = pools.folder("Reacher", "random")
    file, metadata = folder / "data" / "main_data.hdf5", folder / "data" / "metadata.json"
    sound, facts = file.read_bytes(), metadata.read_text()
    at = sound.index(made_up(3).actions[1].tobytes())
    file.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
    with pytest.raises(DatasetError, match="damaged: its actions do not have their digest; remove"):
        pools.load("Reacher", "random", 3)
    file.write_bytes(sound)
    for damaged in (facts.replace('"noise": 0.2', '"noise": 0.3'), facts.replace('"noise"', '"noisf"')):
        metadata.write_text(damaged)
        with pytest.raises(DatasetError, match="its metadata do not have their digest; remove"):
            pools.available("Reacher", "random")
    for field in ("arrays", "digest"):
        metadata.write_text(facts.replace(f'"{field}"', '"other"'))
        with pytest.raises(DatasetError, match="its metadata do not have their digest"):
            pools.available("Reacher", "random")
    metadata.write_text(facts)
    assert_same(pools.load("Reacher", "random", 3), made_up(3))


def _hold(path: Path, ready: Any, go: Any) -> None:
    with queue(path, "making smore/Reacher/random-v1", print):
        ready.set()
        go.wait()


def test_a_second_maker_says_so_and_waits(root: Path) -> None:
    lock = root / ".making/smore/Reacher/random-v1/lock"
    lock.parent.mkdir(parents=True)
    context = multiprocessing.get_context("fork")
    ready, go = context.Event(), context.Event()
    first = context.Process(target=_hold, args=(lock, ready, go))
    first.start()
    ready.wait()
    messages: list[str] = []

    def say(line: str) -> None:
        messages.append(line)
        go.set()

    with pools.writing("Reacher", "random", say):
        assert messages == [
            f"waiting for making smore/Reacher/random-v1 (process {first.pid} on {os.uname().nodename})"
        ]
    first.join()
    with pools.writing("Reacher", "random", say):
        assert len(messages) == 1


def test_no_episodes_need_no_pool(root: Path) -> None:
    none = pools.load("Reacher", "expert", 0)
    assert none.observations.shape == (0, 51, 11)
    store = EpisodeStore.build(none, made_up(2), 0.05)
    assert (store.expert_episodes, store.episodes) == (0, 2)
    shorter = EpisodeStore.build(
        none, made_up(3, steps=49), 0.05
    )  # imported episodes need not be as long as the task's
    assert (shorter.expert_episodes, shorter.episodes, shorter.horizon) == (0, 3, 49)
    assert concatenate([none, none]).observations.shape == (0, 51, 11)
    declared(expert="")
    assert pools.load("PoolWall", "expert", 0).observations.shape == (0, 5, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 100_000, "its metadata cannot be read (maximum recursion depth exceeded"),
        ("[]", "its metadata cannot be read (list indices must be"),
        ({"fingerprint": None}, "its fingerprint is 'None'"),
        ({"fingerprint": "\x1b[31m"}, r"not '\x1b[31m'; remove"),
        ({"total_episodes": "3"}, "its total_episodes is '3'"),
        ({"total_episodes": True}, "its total_episodes is 'True'"),
        ({"total_episodes": 2.5}, "its total_episodes is '2.5'"),
        ({"total_episodes": -3}, "its total_episodes is -3"),
        ({"total_episodes": 10**12}, "lacks episode_3"),
        ({"task": "\x1b[31m"}, r"it is of '\x1b[31m' 'random' 'generated'"),
        ({"source": ["x"]}, "its source is"),
        ({"arrays": ["x"]}, """its arrays are "['x']\""""),
        ({"arrays": {}}, "its observations do not have their digest"),
    ],
)
def test_metadata_of_wrong_types(root: Path, content: str | dict[str, Any], message: str) -> None:
    pools.save("Reacher", "random", made_up(3), {})
    if isinstance(content, str):
        (pools.folder("Reacher", "random") / "data" / "metadata.json").write_text(content)
    else:
        rewrite(content, digests="arrays" in content)
    with pytest.raises(DatasetError, match=re.escape(message)) as error:
        pools.load("Reacher", "random", 3)
    assert str(error.value).isprintable()


def test_files_of_other_shapes_are_no_pool(root: Path) -> None:
    pools.save("Reacher", "random", replace(made_up(3), actions=np.zeros((3, 50, 3), np.float32)), {})
    with pytest.raises(DatasetError, match="its shapes are"):
        pools.load("Reacher", "random", 3)


def test_no_path_leaves_the_datasets(root: Path) -> None:
    for source in ("../../x", "a/b", "", "x" * 65):
        with pytest.raises(DeclarationError, match=r"source .* is not valid; use"):
            pools.folder("Reacher", "random", source)


def test_a_part_proves_its_job(root: Path) -> None:
    generate._save_part(root / "a.npz", "Reacher", "random", 0, 2)
    part = generate._read(root / "a.npz", "Reacher", "random", 0, 2)
    assert part is not None
    assert_same(part, rollout("Reacher", "random", 0, 2))
    for job in (("Reacher", "random", 2, 2), ("Reacher", "random", 0, 3), ("Reacher", "expert", 0, 2)):
        assert generate._read(root / "a.npz", *job) is None
    np.savez(root / "old.npz", **vars(part))
    assert generate._read(root / "old.npz", "Reacher", "random", 0, 2) is None


def test_numbers_that_are_none_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = rollout("PointReach", "random", 0, 2)
    made.actions[1, 7, 0] = np.nan
    monkeypatch.setattr(generate, "rollout", lambda *_: made)
    with pytest.raises(DatasetError) as refusal:
        generate._save_part(root / "part.npz", "PointReach", "random", 20, 2)
    assert "PointReach episodes 20 to 21 of the random policy are refused" in str(refusal.value)
    assert "nan among its actions (episode 1, step 7)" in str(refusal.value)
    assert not (root / "part.npz").exists()
