"""The disturbances. Each disturbs a sweep whose driver runs, and returns a short description.

Those that end the driver give the command again, unless the driver has ended with everything done.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from tests.chaos.disk import Disk
from tests.chaos.disturbed import DisturbedSweep, second_driver
from tests.chaos.schedule import DAMAGE, FILES, Disturbance
from tests.e2e.topology import WORKERS


def disturb(sweep: DisturbedSweep, disk: Disk, disturbance: Disturbance) -> str:
    """Apply a scheduled disturbance."""
    sweep.heal(ended=False)
    if disturbance.kind == "disk":
        return _disk(sweep, disk)
    return DISTURB[disturbance.kind](sweep, disturbance)


def _worker(sweep: DisturbedSweep, disturbance: Disturbance) -> str:
    if not sweep.wait(lambda: bool(sweep.cluster.actors("ImplicitFunc"))):
        return "no worker: the sweep has ended"
    pid, node = disturbance.dice.choice(sorted(sweep.cluster.actors("ImplicitFunc").items(), key=lambda item: item[1]))
    _kill(pid)
    return f"kill -9 of the training worker on {node}"


def _driver(sweep: DisturbedSweep, disturbance: Disturbance) -> str:
    os.kill(sweep.driver.pid, signal.SIGKILL)
    sweep.expect(-signal.SIGKILL)
    sweep.again()
    return "kill -9 of the driver"


def _node(sweep: DisturbedSweep, disturbance: Disturbance) -> str:
    dice = disturbance.dice
    name, at_once = dice.choice(WORKERS), dice.random() < 0.5
    if name in sweep.down:
        sweep.heal(ended=True)
    sweep.cluster.kill(name)
    sweep.down[name] = False
    if at_once:
        sweep.heal(ended=False)
    return f"kill -9 of {name}, which comes back {'at once' if at_once else 'with the next disturbance'}"


def _mlflow(sweep: DisturbedSweep, disturbance: Disturbance) -> str:
    stays = disturbance.dice.random() < 0.5
    if "mlflow" not in sweep.down:
        sweep.cluster.kill("mlflow")
    sweep.down["mlflow"] = stays
    return f"kill -9 of MLflow, which comes back {'after the driver' if stays else 'with the next disturbance'}"


def _sigint(sweep: DisturbedSweep, disturbance: Disturbance) -> str:
    if sweep.interrupt(signal.SIGINT):
        sweep.again()
    return "SIGINT to the driver and all its processes"


def _sigterm(sweep: DisturbedSweep, disturbance: Disturbance) -> str:
    if sweep.interrupt(signal.SIGTERM):
        sweep.again()
    return "SIGTERM to the driver"


def _second(sweep: DisturbedSweep, disturbance: Disturbance) -> str:
    if "mlflow" in sweep.down:
        sweep.heal(ended=True)
    code, said = second_driver(sweep, sweep.results.parent / "second.log")
    if sweep.driver.poll() is not None:
        return "a second driver, too late: the first has ended"
    assert code == 2, said
    assert f"is in use by make sweep SWEEP={sweep.file}" in said, said
    assert str(sweep.driver.pid) in said, said
    return "a second driver was refused"


def _disk(sweep: DisturbedSweep, disk: Disk) -> str:
    with disk.full():
        if sweep.expect(1, 0, says="No space left on device") == 0:
            return "the disk was full, too late: the sweep has ended"
        sweep.start()
        sweep.expect(2, says="MB free")
    sweep.again()
    return "the disk was full: the driver gave up and was then refused"


def _damage(sweep: DisturbedSweep, disturbance: Disturbance) -> str:
    dice = disturbance.dice
    if dice.random() < 0.5:
        os.kill(sweep.driver.pid, signal.SIGKILL)
        sweep.expect(-signal.SIGKILL)
    elif sweep.interrupt(signal.SIGINT) == 0:
        return "no file was damaged: the sweep has ended"
    name, found = _files(sweep, disturbance)
    if not found:
        sweep.again()
        return "no file was damaged: there is none yet"
    path = dice.choice(found)
    if name == "mlflow.db":
        sweep.cluster.kill("mlflow")
    before = path.read_bytes()
    damage, paths = DAMAGES[disturbance.kind](path, found, dice)
    for damaged in paths:
        sweep.damaged(damaged)
    what = f"{name} {damage}"
    if name == "mlflow.db":
        return f"{what}; {_replace_mlflow(sweep)}"
    sweep.again()
    if name == "origin":
        sweep.expect(2, says="origin is damaged")
        path.write_bytes(before)
        sweep.start()
        return f"{what}: refused, restored"
    if sweep.wait(lambda: "training " in sweep.said()) or sweep.driver.returncode == 0:
        return what
    sweep.expect(2, says="is damaged")
    remedy = re.search(r"remove\s(\S+)\sto\sgenerate\sit\sagain", sweep.said())
    assert remedy is not None, sweep.said()
    shutil.rmtree(remedy.group(1))
    sweep.start()
    return f"{what}: refused, removed as the message says"


def _files(sweep: DisturbedSweep, disturbance: Disturbance) -> tuple[str, list[Path]]:
    """Return the name and paths of the scheduled file, or of the next one of the kind that exists, if there is one."""
    cluster = sweep.cluster
    roots = [sweep.results, Path(cluster.environment["MINARI_DATASETS_PATH"]), cluster.mlflow]
    names = DAMAGE[disturbance.kind]
    turn = names.index(disturbance.file)
    for name in names[turn:] + names[:turn]:
        if found := sorted(path for root in roots for path in root.glob(FILES[name])):
            return name, found
    return "", []


def _truncate(path: Path, found: list[Path], dice: random.Random) -> tuple[str, list[Path]]:
    size = path.stat().st_size
    length = dice.randrange(size) if size else 0
    os.truncate(path, length)
    return f"cut from {size:,} to {length:,} bytes", [path]


def _flip(path: Path, found: list[Path], dice: random.Random) -> tuple[str, list[Path]]:
    content = bytearray(path.read_bytes())
    if not content:
        return "is empty", []
    place, bit = dice.randrange(len(content)), dice.randrange(8)
    content[place] ^= 1 << bit
    path.write_bytes(content)
    return f"with bit {bit} of byte {place:,} flipped", [path]


def _swap(path: Path, found: list[Path], dice: random.Random) -> tuple[str, list[Path]]:
    other = dice.choice(found)
    content = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(content)
    return f"of {path.parent.name} swapped with that of {other.parent.name}", [path, other]


def _empty(path: Path, found: list[Path], dice: random.Random) -> tuple[str, list[Path]]:
    os.truncate(path, 0)
    return "emptied", [path]


def _replace_mlflow(sweep: DisturbedSweep) -> str:
    """Delete the tracking store; the next driver recreates it from the results."""
    cluster = sweep.cluster
    (cluster.mlflow / "mlflow.db").unlink()
    sweep.down["mlflow"] = True
    sweep.again()
    return "a new one"


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


DISTURB: dict[str, Callable[[DisturbedSweep, Disturbance], str]] = {
    "worker": _worker,
    "driver": _driver,
    "node": _node,
    "mlflow": _mlflow,
    "sigint": _sigint,
    "sigterm": _sigterm,
    "second": _second,
    **dict.fromkeys(DAMAGE, _damage),
}
DAMAGES: dict[str, Callable[[Path, list[Path], random.Random], tuple[str, list[Path]]]] = {
    "truncate": _truncate,
    "flip": _flip,
    "swap": _swap,
    "empty": _empty,
}
"""Damage to one of the files found; each returns its description and the damaged paths."""
