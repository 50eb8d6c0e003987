"""Run cases of a subject in a process of its own, so that a crash or a hang is a finding too."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from smore_sweep.data.refusal import RefusedError
from smore_sweep.errors import UserError
from tests.fuzz.mutations import mutate
from tests.fuzz.subjects import REFUSED, Subject

SECONDS = 60.0
"""Longest time of one case, on a busy machine."""
SWAPS = 0.1
"""Share of the cases that put another sound file in a file's place."""


@dataclass
class Report:
    """Outcomes of the cases of a subject, and the findings: what a case did instead."""

    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)


def run_cases(subject: Subject, seed: int, first: int, count: int) -> Report:
    """Run the cases ``first`` to ``first + count - 1``, which follow from the seed."""
    context = multiprocessing.get_context("fork")
    report, number = Report(), first
    while number < first + count:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(subject, seed, number, first + count, sender))
        process.start()
        sender.close()
        with receiver, contextlib.suppress(EOFError):
            while number < first + count and receiver.poll(SECONDS):
                outcome, finding = receiver.recv()
                report.outcomes[outcome] += 1
                report.findings += [finding] if finding else []
                number += 1
        if number < first + count:
            process.kill()
            report.outcomes["crash"] += 1
            report.findings.append(f"{subject.name}, seed {seed}, case {number}: crash or hang")
            number += 1
        process.join()
    return report


def _work(subject: Subject, seed: int, first: int, end: int, sender: Connection) -> None:
    with tempfile.TemporaryDirectory(prefix="smore_sweep-fuzz-") as folder:
        root = Path(folder)
        sound, others = (_sound(subject, root / "files", variant) for variant in (0, 1))
        for number in range(first, end):
            sender.send(_case(subject, root / "files", sound, others, seed, number))


def _sound(subject: Subject, folder: Path, variant: int) -> dict[Path, bytes]:
    """Return the sound files' contents, by path."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    os.environ["MINARI_DATASETS_PATH"] = str(folder)
    subject.write(folder, variant)
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _case(
    subject: Subject, folder: Path, sound: dict[Path, bytes], others: dict[Path, bytes], seed: int, number: int
) -> tuple[str, str]:
    dice = random.Random(f"fuzz {subject.name} {seed} {number}")
    shutil.rmtree(folder)
    for path, content in sound.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    path = dice.choice(sorted(folder.glob(subject.damaged)))
    if dice.random() < SWAPS:
        content = dice.choice([*sound.values(), *(others[key] for key in others if key.name == path.name)])
    else:
        content = mutate(sound[path], dice)
    if path.suffix == ".pkl":  # one of several sound files, each of another protocol
        path = path.with_name(f"{path.name}.damaged")
    path.write_bytes(content)
    try:
        return subject.read(folder), ""
    except (UserError, RefusedError) as error:
        if str(error).isprintable():
            return REFUSED, ""
        return "finding", f"{subject.name}, seed {seed}, case {number}: unprintable sentence {str(error)!a}"
    except BaseException as error:
        return "finding", f"{subject.name}, seed {seed}, case {number}: {type(error).__name__}: {str(error)[:300]!a}"
