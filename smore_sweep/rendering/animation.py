"""Pictures of policies: an animation of evaluation episodes, and a sheet of stills of every task.

The episodes are those of :mod:`smore_sweep.training.evaluation`, by number, so the first ones of a run's policy end as
its record says that they did."""

from __future__ import annotations

import ctypes.util
import math
import os
import sys
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from smore_sweep.errors import UserError, first_line
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import DONE
from smore_sweep.results.run_files import load, run_ids
from smore_sweep.seeding import episode_seed
from smore_sweep.storage.paths import StoragePath, local_folder
from smore_sweep.tasks import TASKS, Task, task
from smore_sweep.training.evaluation import ROWS

if TYPE_CHECKING:
    import gymnasium

    from smore_sweep.tasks import Observation, Policy

WIDTH, HEIGHT = 320, 240  # pixels of a picture
SHEET_WIDTH = 160
MOST_STEPS = 100
FRAME_MILLISECONDS, LAST_MILLISECONDS = 70, 1000
COLOURS, KEEP_RARE = 128, Image.Quantize.MAXCOVERAGE  # a small red goal is to stay red
STILLS = 5
OFF_SCREEN = (("egl", "EGL"), ("osmesa", "OSMesa"))
"""What MuJoCo can draw with where there is no display, and the library that it needs."""
INSTALL = "install libegl1, libegl-mesa0 and libgl1-mesa-dri, or libosmesa6 and set MUJOCO_GL=osmesa"


def play(
    name: str, policy: str, *, results: StoragePath, episodes: int = 1, first: int = 0, output: Path | None = None
) -> int:
    """Roll out the evaluation episodes ``first``, ``first + 1``, ... of a task, print their outcome, and write an
    animation of them (GIF; of long episodes the first 100 steps) and five stills of the first one (PNG, beside it).
    ``policy`` is one of the task's, or the id of a done run, or how it begins.

    Raises :class:`UserError` for whatever is not there, and if pictures cannot be drawn on this machine."""
    row = task(name)
    for what, value, least in (("episodes", episodes, 1), ("seed", first, 0)):
        if value < least:
            raise UserError(f"{what} = {value} is not valid; it must be a whole number of at least {least}")
    label, choose = _find_policy(row, policy, results)
    env = environment(row)
    path = _prepare(output or local_folder(results) / "play" / f"{name}-{label}.gif", ".gif")
    summary = film(env, row, choose, range(first, first + episodes), path).summary()
    env.close()
    print(
        f"{name} · {label} · {episodes} episode{'s' * (episodes > 1)}: return at 0.99 {summary['return99']:.2f}, "
        f"success {summary['success']:.2f}, final distance {summary['final_distance']:.4f}"
    )
    print(f"wrote {path} and {path.with_suffix('.png')}")
    return 0


def film(
    env: gymnasium.Env[Any, Any], row: Task, choose: Callable[[int], Policy], numbers: Sequence[int], path: Path
) -> Outcomes:
    """Roll out the evaluation episodes with these numbers, each with the policy that ``choose`` gives for it, and write
    them as :func:`play` does. ``env`` is the task's :func:`environment`."""
    times = range(MOST_STEPS + 1)
    rolled = [_roll(env, row, choose(number), number, times, WIDTH) for number in numbers]
    _write([frames for frames, _ in rolled], path)
    parts = zip(*(vars(outcomes).values() for _, outcomes in rolled), strict=True)
    return Outcomes(*map(np.concatenate, parts))


def sheet(output: Path, number: int = 0) -> int:
    """Write a PNG with a row of stills of every task's expert, in the evaluation episode ``number``.
    Tasks that differ only in what their data are mixed of (``CheetahTgtVel-m-e``) share a row."""
    path = _prepare(output, ".png")
    rows = {row.name.split("-")[0]: row for row in TASKS.values()}
    strips, kept = [], []
    for row in rows.values():
        expert, env = row.policy("expert"), environment(row)
        assert expert is not None
        frames, _ = _roll(env, row, expert, number, _early(row.horizon), SHEET_WIDTH)
        strips.append(_side_by_side(frames))
        kept.append(env)  # alive, as what MuJoCo frees of one goes missing in the next one's pictures
    font, height = ImageFont.load_default(14), strips[0].height
    left = 12 + math.ceil(max(font.getlength(name) for name in rows))
    made = Image.new("RGB", (left + max(strip.width for strip in strips), height * len(strips)), "white")
    for i, (name, strip) in enumerate(zip(rows, strips, strict=True)):
        made.paste(strip, (left, i * height))
        ImageDraw.Draw(made).text((6, (i + 0.5) * height), name, "black", font, anchor="lm")
    made.save(path, optimize=True)
    print(f"wrote {path}")
    return 0


def _find_policy(row: Task, name: str, results: StoragePath) -> tuple[str, Callable[[int], Policy]]:
    """The policy's name, and the policy itself for each episode's number."""
    if name in (*row.pools, "random"):
        function = row.policy(name)
        return name, (lambda _: function) if function else (lambda number: _random(row, number))
    runs = [run_id for run_id in run_ids(results) if run_id.startswith(name)]
    if not runs:
        known = ", ".join(dict.fromkeys((*row.pools, "random")))
        raise UserError(f"{row.name} has no policy {name!r}; it has: {known}, or give the id of a run in {results}")
    if len(runs) > 1:
        raise UserError(f"{len(runs)} runs in {results} begin with {name!r}: {runs[0]}, {runs[1]} ...")
    return runs[0], trained(row, runs[0], results)


def _random(row: Task, number: int) -> Policy:
    generator = np.random.default_rng(episode_seed("play", row.name, number))
    return lambda _: generator.uniform(-1.0, 1.0, row.sizes.action).astype(np.float32)


def trained(row: Task, run_id: str, results: StoragePath) -> Callable[[int], Policy]:
    """What a run's policy does in each episode: the very numbers of its evaluation, which has ``ROWS`` rows."""
    from smore_sweep.discovery import find_method
    from smore_sweep.training.policy import restore

    record = load(results, run_id)
    if record is None or record.status != DONE:
        raise UserError(f"run {run_id} is {record.status if record else 'missing'}; a policy is kept of done runs only")
    content = record.content
    if content["task"] != row.name:
        raise UserError(f"run {run_id} was trained on {content['task']}, not on {row.name}")
    if not record.policy:
        raise UserError(f"run {run_id} was made before policies were kept; remove its folder and run its sweep again")
    # The method is looked up among those that exist: nothing that a record names is imported.
    actor = restore(find_method(content["method"])(**content["knobs"]), row.sizes, record.policy)
    observations = np.zeros((1, ROWS, row.sizes.observation), np.float32)
    goals = np.zeros((1, ROWS, row.sizes.goal), np.float32)

    def of_episode(number: int) -> Policy:
        place = 0, number % ROWS

        def policy(observation: Observation) -> NDArray[np.float32]:
            observations[place], goals[place] = observation["observation"], observation["desired_goal"]
            action: NDArray[np.float32] = actor.act(observations, goals)[place]
            return action

        return policy

    return of_episode


def environment(row: Task) -> gymnasium.Env[Any, Any]:
    """The task's environment, ready to be drawn."""
    off_screen = sys.platform == "linux" and not {"MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ)
    backend = next((name for name, library in OFF_SCREEN if ctypes.util.find_library(library)), "")
    if off_screen and backend:
        os.environ["MUJOCO_GL"] = backend  # before MuJoCo is imported
    try:
        env = row.make(render_mode="rgb_array", width=WIDTH, height=HEIGHT)
        base: Any = env.unwrapped
        if hasattr(base, "mujoco_renderer"):
            if off_screen and not backend:
                raise ImportError("there is no display, and no library to draw without one")
            _follow(base)
        env.reset(seed=0)
        env.render()
    except Exception as error:  # of any kind: they come from MuJoCo, from PyOpenGL and from the loader of libraries
        said = first_line(error)
        raise UserError(f"{row.name} cannot be drawn ({said}); {INSTALL}") from error
    return env


def _follow(base: Any) -> None:
    """Look through the camera that the model has on a running body; Gymnasium leaves it aside."""
    import mujoco

    camera = mujoco.mj_name2id(base.model, mujoco.mjtObj.mjOBJ_CAMERA, "track")
    if camera >= 0:
        base.mujoco_renderer.camera_id = camera


def _roll(
    env: gymnasium.Env[Any, Any], row: Task, policy: Policy, number: int, times: Container[int], width: int
) -> tuple[list[Image.Image], Outcomes]:
    """Frames of an evaluation episode at its start and at ``times``, and its outcomes, ``[1, T]``."""
    horizon = row.horizon
    outcomes = Outcomes(np.zeros((1, horizon), bool), np.zeros((1, horizon), bool), np.zeros((1, horizon), np.float32))
    observation, _ = env.reset(seed=episode_seed("evaluation", row.name, number))
    frames = [_frame(env, row, 0, observation, width)]
    for t in range(horizon):
        observation, _, ended, _, _ = env.step(policy(observation))
        distance = _distance(observation)
        outcomes.distances[0, t:] = distance
        outcomes.reached[0, t] = distance <= row.threshold
        outcomes.succeeded[0, t] = distance < row.success_tolerance
        if t + 1 in times:
            frames.append(_frame(env, row, t + 1, observation, width))
        if ended:  # of itself, and nothing is reached any more
            break
    return frames, outcomes


def _frame(env: gymnasium.Env[Any, Any], row: Task, t: int, observation: Observation, width: int) -> Image.Image:
    """What is seen now, ``width`` pixels wide, above a line of numbers."""
    picture: Any = env.render()
    height, line = width * HEIGHT // WIDTH, max(14, width // 16)
    frame = Image.new("RGB", (width, height + line), "white")
    frame.paste(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))
    distance = _distance(observation)
    if row.sizes.goal == 1:  # an angle or a speed, which is hard to see
        said = f"{float(observation['achieved_goal'][0]):z.2f} of {float(observation['desired_goal'][0]):.2f}"
    else:
        said = f"distance {distance:.3f}"
    text = f"t {t}   {said}" + "   reached" * (distance <= row.threshold)
    font = ImageFont.load_default(line - 4)
    ImageDraw.Draw(frame).text((4, height + line / 2), text, "black", font, anchor="lm")
    return frame


def _write(episodes: Sequence[Sequence[Image.Image]], path: Path) -> None:
    """All episodes one after the other as a GIF, and stills of the first one as a PNG; both share one palette."""
    shown = episodes[0]
    stills = _side_by_side([shown[i] for i in _early(len(shown) - 1)])
    palette = stills.quantize(COLOURS, KEEP_RARE)
    palette.save(path.with_suffix(".png"), optimize=True)
    first, *rest = [
        frame.quantize(palette=palette, dither=Image.Dither.NONE) for frames in episodes for frame in frames
    ]
    pauses = [pause for frames in episodes for pause in [FRAME_MILLISECONDS] * (len(frames) - 1) + [LAST_MILLISECONDS]]
    first.save(path, save_all=True, append_images=rest, duration=pauses, loop=0)


def _early(last: int) -> list[int]:
    """Times from 0 to ``last`` for stills, closer together at the start, where more happens."""
    return [round(last * (i / (STILLS - 1)) ** 2) for i in range(STILLS)]


def _side_by_side(frames: Sequence[Image.Image]) -> Image.Image:
    made = Image.new("RGB", (sum(frame.width for frame in frames), frames[0].height), "white")
    for i, frame in enumerate(frames):
        made.paste(frame, (i * frame.width, 0))
    return made


def _prepare(path: Path, suffix: str) -> Path:
    """The path of a file to be, in a folder that exists."""
    if path.suffix != suffix:
        raise UserError(f"{path} is not a name for this picture; it must end in {suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None
    return path


def _distance(observation: Observation) -> float:
    return float(np.linalg.norm(observation["achieved_goal"] - observation["desired_goal"]))
