"""A record says which code made its run, and what that code was bound to."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cloudpickle
import gymnasium
import numpy as np
import pytest

from examples.wall.world import Wall, walk
from smore_sweep import Budget, RunSpec, Task, task_code, user_code
from smore_sweep.errors import DeclarationError
from smore_sweep.planning.code_changes import changed_runs, code_facts, describe_changes
from smore_sweep.results.record import ACCEPTED, DONE, METHOD_CODE, TASK_CODE, TASK_SETUP, Summary
from smore_sweep.smore import SMORe
from smore_sweep.task_code import bound_digest, setup_of
from smore_sweep.tasks import declare

BUDGET = Budget(episodes=4, updates=2, batch_size=4, evaluate_every=1, evaluation_episodes=1, final_episodes=1)
RUN = RunSpec(method=SMORe(hidden=8), task="FetchReach", expert_share=0.5, seed=0, scale="smoke", budget=BUDGET)
REGISTERED = {"max_episode_steps": 5, "entry_point": "tests.unit.planning.test_code_changes:SizedWall"}


class SizedWall(Wall):
    """A wall of a size."""

    def __init__(self, render_mode: str | None = None, size: Any = 5) -> None:
        super().__init__(render_mode)
        self.size = size


def facts(environment: Any, **fields: Any) -> dict[str, str]:
    """The facts of a run on a task, and of one whose worker got the task pickled."""
    row = Task("FingerWall", environment, threshold=0.1, **{"horizon": 5, "expert": walk, **fields})
    declare([row])
    run = replace(RUN, task=row.name, expert_share=1.0)
    found = code_facts(run)
    declare([cloudpickle.loads(cloudpickle.dumps(row))])
    assert code_facts(run) == found
    return {name: value for name, value in found.items() if name != METHOD_CODE}


def sized(size: Any) -> Callable[..., Any]:
    def make(**options: Any) -> Any:
        return SizedWall(**options, size=size)

    return make


def registered(size: Any) -> str:
    name = f"tests/Sized{size}-v0"
    gymnasium.registry.pop(name, None)
    gymnasium.register(name, **REGISTERED, kwargs={"size": size})  # type: ignore[arg-type]
    return name


@pytest.mark.parametrize(
    "make",
    [
        lambda size: functools.partial(SizedWall, size=size),
        lambda size: functools.partial(SizedWall, None, size),
        lambda size: functools.partial(SizedWall, size=np.full(2, size)),
        sized,
        registered,
    ],
)
def test_what_an_environment_is_bound_to_counts(make: Callable[[int], Any]) -> None:
    assert facts(make(5)) == facts(make(5)) != facts(make(6))
    assert list(facts(make(5))) == [TASK_SETUP]


def test_plain_code_keeps_its_fingerprint_and_other_parts_count_too() -> None:
    assert list(facts(SizedWall)) == [TASK_CODE]
    plain = facts(SizedWall, dataset="play", trajectories=_still)
    assert list(plain) == [TASK_SETUP]
    assert plain != facts(SizedWall, dataset="play", trajectories=_moving)
    by_name = "examples.wall.world:walk"
    assert facts(SizedWall, expert=by_name) != facts(SizedWall, expert="examples.wall.world:Wall")
    with pytest.raises(DeclarationError, match=r"'examples.wall.world:run' cannot be imported: "):
        facts(SizedWall, expert="examples.wall.world:run")


def _still(environment: str, seed: int, steps: int) -> Any:
    return np.zeros((steps + 1, 2), np.float32), np.zeros((steps, 2), np.float32)


def _moving(environment: str, seed: int, steps: int) -> Any:
    return np.ones((steps + 1, 2), np.float32), np.zeros((steps, 2), np.float32)


@dataclass
class Walker:
    """A policy with a setting; it has no hash."""

    speed: float

    def act(self, observation: Any) -> Any:
        return self.speed * walk(observation)


def test_what_a_method_is_bound_to_counts() -> None:
    slow, again, fast = (facts(SizedWall, expert=Walker(speed).act) for speed in (0.5, 0.5, 1.0))
    assert slow == again != fast


def test_a_function_that_refers_to_itself_has_a_fingerprint() -> None:
    def make(again: bool = False, **options: Any) -> Any:
        return SizedWall(**options) if again else make(again=True, **options)

    assert list(facts(make)) == [TASK_SETUP]


FILE = """
from examples.wall.world import Wall
from smore_sweep import Task

SIZE = 3
WALL = Task("LambdaWall", lambda **options: Wall(**options) if SIZE > 2 else None, threshold=0.1, horizon=5)
"""


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("SIZE > 2", "SIZE > 1", True),
        ("SIZE = 3", "SIZE = 4", True),
        ("SIZE = 3", "SIZE = 3\nOTHER = 5", False),
        ("horizon=5", "horizon=6", False),  # of the run's content
    ],
)
def test_a_lambda_is_looked_at(old: str, new: str, counts: bool, tmp_path: Path) -> None:
    found = []
    for folder, text in ((tmp_path / "a", FILE), (tmp_path / "b", FILE.replace(old, new))):
        folder.mkdir()
        (folder / "lambdas.py").write_text(text)
        user_code.forget()
        declare([user_code.import_file(folder / "lambdas.py").WALL])
        found.append(code_facts(replace(RUN, task="LambdaWall"))[TASK_SETUP])
    user_code.forget()
    assert (found[0] != found[1]) == counts


def test_the_main_module_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker has another one, in which the same line may hold anything."""

    def environment(**options: Any) -> Any:
        return SizedWall(**options, size=tmp_path)

    environment.__module__ = "__main__"
    here = bound_digest([environment])
    (tmp_path / "main.py").write_text("def test_the_main_module_is_not_read():\n    pass\n")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(tmp_path / "main.py"), raising=False)
    task_code._code.cache_clear()
    assert bound_digest([environment]) == here


SHOW = """
import sys
import cloudpickle
from smore_sweep.task_code import bound_digest, setup_of

print(setup_of(cloudpickle.load(sys.stdin.buffer)))
"""


def test_a_fresh_process_finds_the_same_fingerprint(tmp_path: Path) -> None:
    """Of an environment that Gymnasium knows by the name of a class, whose module is not imported there."""
    (tmp_path / "elsewhere.py").write_text("from examples.wall.world import Wall\nclass Own(Wall):\n    pass\n")
    (tmp_path / "mine.py").write_text(
        "import gymnasium\nfrom smore_sweep import Task\n"
        "gymnasium.register('tests/Own-v0', 'elsewhere:Own', max_episode_steps=5)\n"
        "WALL = Task('StringWall', 'tests/Own-v0', threshold=0.1)\n"
    )
    row = user_code.import_file(tmp_path / "mine.py").WALL
    here = setup_of(row)
    user_code.forget()
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{SHOW}"],
        input=cloudpickle.dumps(row), capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout.decode().strip() == here


def test_a_changed_binding_is_said_and_an_old_record_stays_valid() -> None:
    facts(functools.partial(SizedWall, size=5))
    run = replace(RUN, task="FingerWall")
    stored = code_facts(run)
    facts(functools.partial(SizedWall, size=6))

    def summaries(found: dict[str, Any]) -> dict[str, Summary]:
        return {run.run_id: Summary(DONE, 2, 0.0, found, {})}

    changed = changed_runs([run], summaries(stored))
    assert describe_changes(changed) == [
        "the declaration of FingerWall, or its code, has changed since 1 run was made; --retrain makes it again, "
        "--keep accepts it as it is"
    ]
    assert not changed_runs([run], summaries({TASK_CODE: "of an older version", METHOD_CODE: stored[METHOD_CODE]}))
    assert changed_runs([run], summaries({**stored, ACCEPTED: code_facts(run)}), accepted=True) == changed
