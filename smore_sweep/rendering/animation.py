"""Draw policies: an animation of evaluation episodes, and a sheet of stills of all tasks.

The episodes are those of :mod:`smore_sweep.training.evaluation`, by number: the first ones of a run's policy have the
outcomes in its record.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from smore_sweep.envs.backends import REMEDY, choose_backend
from smore_sweep.errors import UserError, first_line
from smore_sweep.rendering.policies import find_policy
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.storage.paths import StoragePath, local_folder
from smore_sweep.task import ENVIRONMENT, Task, shipped
from smore_sweep.tasks import TASKS
from smore_sweep.tasks import task as find_task
from smore_sweep.training.evaluation import goal_distance

if TYPE_CHECKING:
    import gymnasium

    from smore_sweep.rendering.policies import EpisodePolicy
    from smore_sweep.task import Observation, Policy

WIDTH, HEIGHT = 320, 240  # pixels
SHEET_WIDTH = 160
MOST_STEPS = 100
FRAME_MILLISECONDS, LAST_MILLISECONDS = 70, 1000
COLOURS, QUANTIZE = 128, Image.Quantize.MAXCOVERAGE  # keeps rare colours, such as that of a small red goal
STILLS = 5


def play(
    name: str, policy: str, *, results: StoragePath, episodes: int = 1, first: int = 0, output: Path | None = None
) -> int:
    """Roll out and draw evaluation episodes of a task, and print their outcomes.

    Args:
        name: The task.
        policy: A policy of the task, or the id of a done run, or the beginning of one.
        results: Results folder.
        episodes: Number of episodes.
        first: Number of the first episode.
        output: File for the animation (GIF); None for one in the results folder. Stills of the first episode (PNG) are
            written beside it.

    Returns:
        The exit code.

    Raises:
        UserError: For a value that is not valid, and if this machine cannot draw.
    """
    task = find_task(name)
    for option, value, minimum in (("episodes", episodes, 1), ("seed", first, 0)):
        if value < minimum:
            raise UserError(f"{option} = {value} is not valid; it must be a whole number of at least {minimum}")
    label, episode_policy = find_policy(task, policy, results)
    env = environment(task)
    path = _output_file(output or local_folder(results) / "play" / f"{name}-{label}.gif", ".gif")
    summary = film(env, task, episode_policy, range(first, first + episodes), path).summary()
    env.close()
    print(
        f"{name} · {label} · {episodes} episode{'s' * (episodes > 1)}: return at 0.99 {summary['return99']:.2f}, "
        f"success {summary['success']:.2f}, final distance {summary['final_distance']:.4f}"
    )
    print(f"wrote {path} and {path.with_suffix('.png')}")
    return 0


def film(
    env: gymnasium.Env[Any, Any], task: Task, episode_policy: EpisodePolicy, numbers: Sequence[int], path: Path
) -> Outcomes:
    """Roll out evaluation episodes and write an animation of them, and stills.

    It shows the first :data:`MOST_STEPS` steps; where goals take turns, as many over the whole episode, because there
    what matters comes late.

    Args:
        env: The task's :func:`environment`.
        task: The task.
        episode_policy: The policy of each episode.
        numbers: The episodes.
        path: File for the animation (GIF); the stills of the first episode (PNG) are written beside it.

    Returns:
        Outcomes of whole episodes, ``[len(numbers), T]``.
    """
    steps = range(0, task.horizon + 1, math.ceil(task.horizon / MOST_STEPS)) if task.goals else range(MOST_STEPS + 1)
    episodes = [_roll_out(env, task, episode_policy(number), number, steps, WIDTH) for number in numbers]
    _write([frames for frames, _ in episodes], path)
    columns = zip(*(vars(outcomes).values() for _, outcomes in episodes), strict=True)
    return Outcomes(*map(np.concatenate, columns))


def sheet(output: Path, number: int = 0) -> int:
    """Write a PNG with a row of stills per task: its expert in the evaluation episode ``number``.

    Tasks that differ only in their data (``CheetahTgtVel-m-e``) share a row.
    """
    path = _output_file(output, ".png")
    tasks = {task.name.split("-")[0]: task for task in TASKS.values()}
    strips, environments = [], []
    for task in tasks.values():
        expert, env = task.policy("expert"), environment(task)
        assert expert is not None
        frames, _ = _roll_out(env, task, expert, number, _still_steps(task.horizon), SHEET_WIDTH)
        strips.append(_side_by_side(frames))
        environments.append(env)  # kept alive: when MuJoCo frees one, the next one's pictures miss parts
    font, height = ImageFont.load_default(14), strips[0].height
    left = 12 + math.ceil(max(font.getlength(label) for label in tasks))
    image = Image.new("RGB", (left + max(strip.width for strip in strips), height * len(strips)), "white")
    for i, (label, strip) in enumerate(zip(tasks, strips, strict=True)):
        image.paste(strip, (left, i * height))
        ImageDraw.Draw(image).text((6, (i + 0.5) * height), label, "black", font, anchor="lm")
    image.save(path, optimize=True)
    print(f"wrote {path}")
    return 0


def environment(task: Task) -> gymnasium.Env[Any, Any]:
    """Build a task's environment, ready to be drawn.

    Raises:
        UserError: If this machine cannot draw it.
    """
    off_screen = sys.platform == "linux" and not {"MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ)
    backend = choose_backend()
    if off_screen and backend:
        os.environ["MUJOCO_GL"] = backend  # before MuJoCo is imported
    try:
        size = {"width": WIDTH, "height": HEIGHT} if shipped(task.environment) else {}
        env = task.make(render_mode="rgb_array", **size)
        base: Any = env.unwrapped
        if hasattr(base, "mujoco_renderer"):
            if off_screen and not backend:
                raise ImportError("there is no display, and no library to draw without one")
            _follow(base)
        env.reset(seed=0)
        if env.render() is None:
            raise ValueError("its environment renders nothing")
    except UserError:
        raise
    except Exception as error:  # of any kind, from MuJoCo, PyOpenGL or the library loader
        reason = first_line(error) or type(error).__name__
        remedy = (
            REMEDY
            if shipped(task.environment)
            else (
                'its environment must take render_mode="rgb_array" and its render() return a picture [height, width, 3]'
            )
        )
        raise UserError(f"{task.name} cannot be drawn ({reason}); {remedy}") from error
    return env


def _follow(base: Any) -> None:
    """Use the camera that tracks a running body, if the model has one. Gymnasium ignores it."""
    import mujoco

    camera = mujoco.mj_name2id(base.model, mujoco.mjtObj.mjOBJ_CAMERA, "track")
    if camera >= 0:
        base.mujoco_renderer.camera_id = camera


def _roll_out(
    env: gymnasium.Env[Any, Any], task: Task, policy: Policy, number: int, steps: Container[int], width: int
) -> tuple[list[Image.Image], Outcomes]:
    """Roll out an evaluation episode; return frames of its start and of ``steps``, and its outcomes, ``[1, T]``."""
    horizon = task.horizon
    outcomes = Outcomes(np.zeros((1, horizon), bool), np.zeros((1, horizon), bool), np.zeros((1, horizon), np.float32))
    observation = task.reset(env, number)
    frames = [_frame(env, task, 0, observation, width)]
    for t in range(horizon):
        observation, _, terminated, _, info = env.step(policy(observation))
        distance = goal_distance(observation)
        outcomes.distances[0, t:] = distance
        outcomes.reached[0, t] = distance <= task.threshold
        outcomes.succeeded[0, t] = task.step_succeeded(observation, distance, info)
        if t + 1 in steps or terminated:
            reached = outcomes.succeeded[0, t] if task.success == ENVIRONMENT else outcomes.reached[0, t]
            frames.append(_frame(env, task, t + 1, observation, width, reached=bool(reached)))
        if terminated:  # nothing is reached any more
            break
    return frames, outcomes


def _frame(
    env: gymnasium.Env[Any, Any], task: Task, t: int, observation: Observation, width: int, *, reached: bool = False
) -> Image.Image:
    """Draw the environment, ``width`` pixels wide, above a line of numbers; a goal image stands in its corner."""
    picture: Any = env.render()
    height, line = width * HEIGHT // WIDTH, max(14, width // 16)
    frame = Image.new("RGB", (width, height + line), "white")
    frame.paste(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))
    if task.sizes.image:
        goal = Image.fromarray(observation["desired_goal"].reshape(task.sizes.image)).resize((height // 3, height // 3))
        frame.paste(goal, (width - goal.width, 0))
        progress = "goal: above"
    elif task.sizes.goal == 1:  # an angle or a speed, hard to see
        progress = f"{float(observation['achieved_goal'][0]):z.2f} of {float(observation['desired_goal'][0]):.2f}"
    else:
        progress = f"distance {goal_distance(observation):.3f}"
    text = f"t {t}   {progress}" + "   reached" * reached
    font = ImageFont.load_default(line - 4)
    ImageDraw.Draw(frame).text((4, height + line / 2), text, "black", font, anchor="lm")
    return frame


def _write(episodes: Sequence[Sequence[Image.Image]], path: Path) -> None:
    """Write the episodes as one GIF, and stills of the first as a PNG. Both share one palette."""
    start = episodes[0]
    stills = _side_by_side([start[i] for i in _still_steps(len(start) - 1)])
    palette = stills.quantize(COLOURS, QUANTIZE)
    palette.save(path.with_suffix(".png"), optimize=True)
    first, *rest = [
        frame.quantize(palette=palette, dither=Image.Dither.NONE) for frames in episodes for frame in frames
    ]
    pauses = [pause for frames in episodes for pause in [FRAME_MILLISECONDS] * (len(frames) - 1) + [LAST_MILLISECONDS]]
    first.save(path, save_all=True, append_images=rest, duration=pauses, loop=0)


def _still_steps(last: int) -> list[int]:
    """Return the steps of stills, from 0 to ``last``, closer together at the start, where more happens."""
    return [round(last * (i / (STILLS - 1)) ** 2) for i in range(STILLS)]


def _side_by_side(frames: Sequence[Image.Image]) -> Image.Image:
    strip = Image.new("RGB", (sum(frame.width for frame in frames), frames[0].height), "white")
    for i, frame in enumerate(frames):
        strip.paste(frame, (i * frame.width, 0))
    return strip


def _output_file(path: Path, suffix: str) -> Path:
    """Check that a file can be written, and create its folder."""
    if path.suffix != suffix:
        raise UserError(f"output file {path} is not valid; its name must end in {suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None
    return path
