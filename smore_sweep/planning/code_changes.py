"""Find runs whose method or task has other source code now than when they were trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from smore_sweep.code_digest import code_digest, source_file
from smore_sweep.errors import DeclarationError
from smore_sweep.method import Method
from smore_sweep.results.record import ACCEPTED, METHOD_CODE, TASK_CODE, TASK_SETUP, Summary
from smore_sweep.run_spec import RunSpec
from smore_sweep.task_code import code_of, plain, setup_of, task_parts
from smore_sweep.tasks import task


def code_facts(run: RunSpec) -> dict[str, str]:
    """Return the fingerprints of a run's code; none for a task that ships, and none of unknown source."""
    row = task(run.task)
    method: Any = type(run.method)  # a class is hashable, whatever mypy says of one with instances that are
    own = {TASK_CODE: code_of(row)} if plain(row) else {TASK_SETUP: setup_of(row)}
    return {name: value for name, value in {METHOD_CODE: _method_code(method), **own}.items() if value}


def changed_runs(
    runs: Iterable[RunSpec], summaries: Mapping[str, Summary], *, accepted: bool = False
) -> dict[str, list[str]]:
    """Return the ids of stored runs whose code has changed since, by the name of the changed file.

    Args:
        runs: The runs.
        summaries: What is stored of them.
        accepted: Whether to return those that their owner has accepted with the present code, instead of the others.
    """
    changed: dict[str, list[str]] = {}
    for run in runs:
        if run.run_id not in summaries:
            continue
        facts, now = summaries[run.run_id].facts, code_facts(run)
        for name in now:
            other = name in facts and now[name] != facts[name]
            if other and (now[name] == facts.get(ACCEPTED, {}).get(name)) == accepted:
                changed.setdefault(_origin(run, name), []).append(run.run_id)
    return changed


def describe_changes(changed: Mapping[str, list[str]]) -> list[str]:
    """Return a sentence per changed file."""
    sentences = []
    for file, run_ids in changed.items():
        several = len(run_ids) > 1
        runs, them, are = (f"{len(run_ids)} runs were", "them", "they are") if several else ("1 run was", "it", "it is")
        sentences.append(
            f"{file} has changed since {runs} made; --retrain makes {them} again, --keep accepts {them} as {are}"
        )
    return sentences


def refuse_changes(changed: Mapping[str, list[str]], otherwise: str = "") -> None:
    """Raise :class:`DeclarationError` if code has changed, for a command that cannot settle it; ``otherwise`` says what
    else can be done."""
    if changed:
        raise DeclarationError(
            "; ".join([*describe_changes(changed), f"give smore-sweep run one of the two{otherwise}"])
        )


def _origin(run: RunSpec, name: str) -> str:
    """Return what has changed if a fingerprint has."""
    if name == TASK_SETUP:
        return f"the declaration of {run.task}, or its code,"
    parts = [type(run.method)] if name == METHOD_CODE else task_parts(task(run.task))
    return " or ".join(dict.fromkeys(map(source_file, parts)))


@cache  # at first use, which is soon after the import: later changes of the file are not those of the class
def _method_code(kind: type[Method]) -> str:
    return code_digest(kind)
