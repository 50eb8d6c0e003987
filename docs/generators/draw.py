"""Draw tasks: ``python -m generators.draw FOLDER TASK ...``. In a process of its own: MuJoCo's contexts end badly."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from PIL import Image

from smore_sweep.errors import UserError
from smore_sweep.rendering.animation import COLOURS, QUANTIZE, environment
from smore_sweep.tasks import task

STEPS = 12
"""Of the expert, before the picture is taken."""


def draw(folder: Path, names: list[str]) -> None:
    """Write a picture of each task. A machine that cannot draw says why, once."""
    kept = []
    for name in names:
        row = task(name)
        try:
            env = environment(row)
        except UserError as error:
            print(error, file=sys.stderr)
            return
        observation = row.reset(env, 0)
        if expert := row.policy("expert") if row.expert else None:
            for _ in range(STEPS):
                observation, *_ = env.step(expert(observation))
        picture = Image.fromarray(env.render()).quantize(COLOURS, QUANTIZE)  # type: ignore[arg-type]
        picture.save(folder / f"{name}.png", optimize=True)
        kept.append(env)  # when MuJoCo frees one, the next one's pictures miss parts


if __name__ == "__main__":
    draw(Path(sys.argv[1]), sys.argv[2:])
    sys.stdout.flush()
    os._exit(0)  # without the finalizers of the drawing contexts, which complain
