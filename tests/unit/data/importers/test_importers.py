"""Importers, on files with the exact bytes of their original writers: the content of pools after an import."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smore_sweep.cli.main import main
from smore_sweep.data import pools
from smore_sweep.data.importers import d4rl, minari_hub, wgcsl
from smore_sweep.data.importers.safe_pickle import arrays
from smore_sweep.data.refusal import RefusedError
from smore_sweep.errors import DatasetError

Array = np.ndarray[Any, np.dtype[Any]]


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))


# WGCSL and GoFAR


def wgcsl_content(episodes: int, seed: int = 0) -> dict[str, Array]:
    """Create content like FetchReach's: 50 observations, 49 actions, float64, achieved goal = observation[:3]."""
    generator = np.random.default_rng(seed)
    o = generator.normal(size=(episodes, 50, 10))
    u = generator.uniform(-1, 1, (episodes, 49, 4))
    g = np.repeat(generator.normal(size=(episodes, 1, 3)), 49, 1)
    return {"o": o, "u": u, "g": g, "ag": o[:, :, :3].copy()}


def dump(content: object, path: Path, protocol: int) -> None:
    """Write a pickle like NumPy 1 where the protocol names globals by lines (0 to 3), else like NumPy 2."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = pickle.dumps(content, protocol)
    path.write_bytes(raw.replace(b"numpy._core.", b"numpy.core.") if protocol < 4 else raw)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_wgcsl_pickles(protocol: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expert, random = wgcsl_content(4, seed=1), wgcsl_content(6, seed=2)
    random["u"][0, 3, 1] = 1.5
    dump(expert, tmp_path / "offline_data_wgcsl/expert/FetchReach/buffer.pkl", protocol)
    dump(random, tmp_path / "offline_data_wgcsl/random/FetchReach/buffer.pkl", protocol)
    dump(random, tmp_path / "offline_data_wgcsl/hard_tasks_2e6/random/FetchThrow/buffer.pkl", protocol)
    assert main(["data", "import", "wgcsl", str(tmp_path)]) == 0
    message = capsys.readouterr().out
    assert "smore-wgcsl/FetchReach/random-v1: 6 episodes of 49 steps from buffer.pkl (sha256 " in message
    assert "0.34% of the actions were beyond [-1, 1] and are clipped" in message  # 1 of 294
    assert "buffer.pkl: there is no task FetchThrow" in message
    random["u"][0, 3, 1] = 1.0
    for policy, content in (("expert", expert), ("random", random)):
        pool = pools.load("FetchReach", policy, len(content["o"]), "wgcsl")
        np.testing.assert_array_equal(pool.observations, content["o"].astype(np.float32))
        np.testing.assert_array_equal(pool.actions, content["u"].astype(np.float32))
        np.testing.assert_array_equal(pool.achieved_goals, content["ag"].astype(np.float32))
        np.testing.assert_array_equal(pool.desired_goals, content["g"][:, 0].astype(np.float32))
        assert {array.dtype for array in vars(pool).values()} == {np.dtype(np.float32)}
        assert pools.available("FetchReach", policy) == 0  # generated pools are separate


def test_both_layouts_and_the_noisy_variants_are_found(tmp_path: Path) -> None:
    names = (
        "offline_data/random/FetchReach/buffer-noise0.5.pkl",
        "offline_data/hard_tasks_2e6/expert/FetchPush/buffer.pkl",
    )
    for name in (*names, "offline_data/other/FetchPush/buffer.pkl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert wgcsl.find(tmp_path) == {
        ("FetchReachNoise0.5", "random"): tmp_path / names[0],
        ("FetchPush", "expert"): tmp_path / names[1],
    }
    assert wgcsl.find(tmp_path / names[1]) == {("FetchPush", "expert"): tmp_path / names[1]}
    second = tmp_path / "offline_data_wgcsl/expert/FetchPush/buffer.pkl"
    second.parent.mkdir(parents=True)
    second.touch()
    with pytest.raises(DatasetError, match="are both of FetchPush expert; import one of their folders"):
        wgcsl.find(tmp_path)


class Malice:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ((os.system, ("touch {place}",)), "asks for 'posix.system'; only arrays of numbers"),
        ((eval, ("open('{place}', 'w')",)), r"asks for '(__builtin__|builtins).eval'"),
        ((np.load, ("{place}",)), "asks for 'numpy.load'"),
        ((getattr, ("{place}", "upper")), r"asks for '(__builtin__|builtins).getattr'"),
        ((np.dtype, ("O",)), "holds an array of type 'O', which is not numeric"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_malicious_pickle_is_refused(
    call: tuple[Any, tuple[str, ...]], message: str, protocol: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, path = tmp_path / "harm", tmp_path / "expert/FetchReach/buffer.pkl"
    malice = Malice(call[0], tuple(value.format(place=place) for value in call[1]))
    dump(wgcsl_content(1) | {"u": malice}, path, protocol)
    assert main(["data", "import", "wgcsl", str(path)]) == 2
    error = capsys.readouterr().err
    assert re.search("buffer.pkl is refused: it " + message, error)
    assert error.count("\n") == 1
    assert not place.exists()


def test_stand_ins_take_no_attributes(tmp_path: Path) -> None:
    """A pickle cannot change the classes that read it (its opcode BUILD sets attributes)."""
    path = tmp_path / "changes.pkl"
    for name in (b"cnumpy\ndtype\n", b"c_codecs\nencode\n", b"cnumpy._core.numeric\n_frombuffer\n"):
        path.write_bytes(b"\x80\x02" + name + b"}X\x05\x00\x00\x00valueK\x07sb.")
        with pytest.raises(RefusedError):
            arrays(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"u": np.zeros((2, 50, 4))}, "o has shape (2, 50, 10), with (2, 50, 4) of u it should start (2, 51)"),
        ({"g": np.random.default_rng(0).normal(size=(2, 49, 3))}, "its commanded goal changes within an episode"),
        ({"ag": 0.0}, "its keys are o, u, g, ag; o, u, g and ag must be arrays of three dimensions"),
        ({"o": np.zeros((2, 50, 25))}, "its observations have 25 numbers, those of FetchReach have 10"),
        ({"o": np.full((2, 50, 10), np.nan)}, "it holds nan among its observations (episode 0, step 0); every number"),
    ],
)
def test_a_pickle_of_something_else(
    change: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "expert/FetchReach/buffer.pkl"
    dump(wgcsl_content(2) | change, path, 4)
    assert main(["data", "import", "wgcsl", str(path)]) == 2
    assert message in capsys.readouterr().err
    path.write_bytes(path.read_bytes()[:-200])
    assert main(["data", "import", "wgcsl", str(path)]) == 2
    assert "is refused: it is not a readable pickle" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "message"), [("generated", "is reserved for generated data"), ("Go/FAR", "use lower-case")]
)
def test_a_source_of_a_wrong_name(
    source: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dump(wgcsl_content(2), tmp_path / "expert/FetchReach/buffer.pkl", 4)
    assert main(["data", "import", "wgcsl", str(tmp_path), "--source", source]) == 2
    assert message in capsys.readouterr().err


# D4RL

LIMIT = 10
"""Stands for the 1000 steps of an episode."""


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (d4rl, minari_hub):
        monkeypatch.setattr(module, "STEPS", LIMIT)


def d4rl_content(body: str, lengths: list[tuple[int, str]]) -> dict[str, Array]:
    """Create episodes of the given lengths, each with the field that flags its last step (or none)."""
    generator = np.random.default_rng(len(lengths))
    sizes = {"halfcheetah": (17, 6), "ant": (111, 8)}[body]
    total = sum(length for length, _ in lengths)
    rows = generator.normal(size=(total, sizes[0])).astype(np.float32)
    after = generator.normal(size=(total, sizes[0])).astype(np.float32)
    if body == "ant":
        rows[:, 27:] = after[:, 27:] = 0.0
    flags = {"terminals": np.zeros(total, bool), "timeouts": np.zeros(total, bool)}
    begin = 0
    for length, end in lengths:
        after[begin : begin + length - 1] = rows[begin + 1 : begin + length]
        begin += length
        if end:
            flags[end][begin - 1] = True
    actions = np.tanh(generator.normal(size=(total, sizes[1]))).astype(np.float32)
    return {"observations": rows, "actions": actions, "next_observations": after, "rewards": rows[:, 0], **flags}


def write_hdf5(path: Path, content: dict[str, Array], leave_out: str = "") -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for name, array in content.items():
            if name != leave_out:
                file.create_dataset(name, data=array, compression="gzip")
        file["infos/qpos"] = content["observations"][:, :9]
        file["metadata/algorithm"] = "SAC"


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("with_next", [True, False])
def test_d4rl_episodes(with_next: bool, tmp_path: Path) -> None:
    parts = [(10, "timeouts"), (4, "terminals"), (10, "timeouts"), (13, "terminals"), (6, "")]  # the fourth is too long
    content = d4rl_content("ant", parts)
    write_hdf5(tmp_path / "ant_expert-v2.hdf5", content, "" if with_next else "next_observations")
    assert main(["data", "import", "d4rl", str(tmp_path)]) == 0
    steps = 10 if with_next else 9
    # The expected episode: the state after every action of an episode, then the last state and action again.
    states, actions = np.empty((3, steps + 1, 111), np.float32), np.empty((3, steps, 8), np.float32)
    for n, (begin, end) in enumerate([(0, 10), (10, 14), (14, 24)]):
        known = [*content["observations"][begin:end]] + ([content["next_observations"][end - 1]] if with_next else [])
        for t in range(steps + 1):
            states[n, t] = known[min(t, len(known) - 1)]
        for t in range(steps):
            actions[n, t] = content["actions"][begin + min(t, len(known) - 2)]
    for name in ("AntTgtVel-m-e", "AntTgtVel-r-e"):
        pool = pools.load(name, "expert", 3, "d4rl")
        np.testing.assert_array_equal(pool.observations, states)
        np.testing.assert_array_equal(pool.actions, actions)
        np.testing.assert_array_equal(pool.achieved_goals, states[:, :, 13:14])
        np.testing.assert_array_equal(pool.desired_goals, np.full((3, 1), 5.0))


def released(content: dict[str, Array], limit: int) -> list[list[tuple[Array, Array, Array]]]:
    """Return the released pieces of (observation, action, next observation): D4RL's loop, then SMORe's."""
    kept = [i for i in range(len(content["rewards"]) - 1) if not content["timeouts"][i]]
    series = [(i, i + 1, bool(content["terminals"][i])) for i in kept]
    pieces: list[list[tuple[Array, Array, Array]]] = []
    piece: list[tuple[Array, Array, Array]] = []
    for i, following, done in series:
        piece.append((content["observations"][i], content["actions"][i], content["observations"][following]))
        if done:
            piece += [piece[-1]] * (limit - len(piece))
        if len(piece) == limit:
            pieces.append(piece)
            piece = []
    return pieces


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize(
    ("body", "quality", "task", "lengths"),
    [
        ("halfcheetah", "medium", "CheetahTgtVel-m-e", [(10, "timeouts")] * 4),
        (
            "ant",
            "random",
            "AntTgtVel-r-e",
            [(3, "terminals"), (10, "timeouts"), (7, "terminals"), (10, "timeouts"), (4, "")],
        ),
    ],
)
def test_d4rl_as_released(body: str, quality: str, task: str, lengths: list[tuple[int, str]], tmp_path: Path) -> None:
    content = d4rl_content(body, lengths)
    path = tmp_path / f"{body}-{quality}-v2.hdf5"
    write_hdf5(path, content)
    assert main(["data", "import", "d4rl", str(path), "--released"]) == 0
    wanted = released(content, LIMIT)
    assert pools.available(task, quality, "d4rl") == 0
    pool = pools.load(task, quality, len(wanted), "d4rl-released")
    assert pools.available(task, quality, "d4rl-released") == len(wanted)
    for n, piece in enumerate(wanted):
        for t, (state, action, following) in enumerate(piece):
            np.testing.assert_array_equal(pool.observations[n, t], state)
            np.testing.assert_array_equal(pool.actions[n, t], action)
            # The documented exceptions: the seams between episodes, and copies of a terminal transition.
            if t == LIMIT - 1 or (following == piece[t + 1][0]).all():
                np.testing.assert_array_equal(pool.observations[n, t + 1], following)
    np.testing.assert_array_equal(pool.desired_goals, np.zeros((len(wanted), 1)))


@pytest.mark.parametrize(
    ("name", "leave_out", "message"),
    [
        ("hopper_medium-v2.hdf5", "", "holds no {halfcheetah,ant}_{random,medium,expert}-v2.hdf5"),
        ("ant_medium-v2.hdf5", "timeouts", "it lacks timeouts"),
        ("ant_medium-v2.hdf5", "", "holds no whole episode"),
    ],
)
def test_d4rl_files_of_no_use(
    name: str, leave_out: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_hdf5(tmp_path / name, d4rl_content("ant", [(6, "timeouts")]), leave_out)
    assert main(["data", "import", "d4rl", str(tmp_path / name)]) == 2
    assert message in capsys.readouterr().err


# The Minari Hub


@pytest.mark.usefixtures("_short")
def test_minari_datasets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import gymnasium
    from minari import create_dataset_from_buffers
    from minari.data_collector import EpisodeBuffer

    generator = np.random.default_rng(0)
    lengths = [10, 4, 6, 13]  # to the limit; terminated; broken off; terminated, and too long
    buffers = [
        EpisodeBuffer(
            observations=generator.normal(size=(length + 1, 105)),
            actions=np.tanh(generator.normal(size=(length, 8))).astype(np.float32),
            rewards=np.zeros(length),
            terminations=np.arange(length) == {4: 3, 13: 12}.get(length, -1),
            truncations=np.arange(length) == (9 if length == 10 else -1),
        )
        for length in lengths
    ]
    create_dataset_from_buffers(
        "mujoco/ant/expert-v0",
        buffers,
        env=gymnasium.spec("Ant-v5"),
        eval_env=gymnasium.spec("Ant-v5"),
        observation_space=gymnasium.spaces.Box(-np.inf, np.inf, (105,)),
        action_space=gymnasium.spaces.Box(-1.0, 1.0, (8,)),
        algorithm_name="SAC",
        author="nobody",
        author_email="nobody",
        code_permalink="nowhere",
        description="made up",
    )
    assert main(["data", "import", "minari", "mujoco/ant/expert-v0"]) == 0
    pool = pools.load("AntTgtVel-m-e", "expert", 2, "minari")
    assert pools.available("AntTgtVel-m-e", "expert", "minari") == 2
    for n, buffer in enumerate(buffers[:2]):
        states, actions = np.asarray(buffer.observations), np.asarray(buffer.actions)
        for t in range(11):
            np.testing.assert_array_equal(pool.observations[n, t, :27], states[min(t, lengths[n]), :27].astype("f4"))
        for t in range(10):
            np.testing.assert_array_equal(pool.actions[n, t], actions[min(t, lengths[n] - 1)])
    assert not pool.observations[:, :, 27:].any()
    np.testing.assert_array_equal(pool.achieved_goals, pool.observations[:, :, 13:14])
    assert (pool.desired_goals == 5.0).all()
    assert pools.available("AntTgtVel-r-e", "expert", "minari") == 0


@pytest.mark.parametrize("answers", [True, False])
def test_no_network_is_one_line(
    answers: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(minari_hub, "HUB", "http://127.0.0.1:9")
    if answers:  # but what Minari downloads with fails

        def fail(name: str) -> None:
            raise ConnectionError("first line\nsecond line")

        monkeypatch.setattr(minari_hub, "_reach", lambda name: None)
        monkeypatch.setattr("minari.download_dataset", fail)
    assert main(["data", "import", "minari", "mujoco/ant/medium-v0"]) == 2
    error = capsys.readouterr().err
    message = "cannot be downloaded: first line" if answers else "http://127.0.0.1:9 cannot be reached ("
    assert message in error
    assert error.count("\n") == 1
    assert main(["data", "import", "minari", "mujoco/hopper/medium-v0"]) == 2
    assert "mujoco/hopper/medium-v0 is not used by any task; those that are: mujoco/halfchee" in capsys.readouterr().err
