"""Find runs whose method or task has other source code now than when they were trained."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from smore_sweep.code_digest import code_digest, source_file
from smore_sweep.results.record import ACCEPTED, METHOD_CODE, TASK_CODE, Summary
from smore_sweep.run_spec import RunSpec
from smore_sweep.tasks import task


def code_facts(run: RunSpec) -> dict[str, str]:
    """Return the fingerprints of a run's code; none for a task that ships, and none of unknown source."""
    digests = {METHOD_CODE: _digest(type(run.method)), TASK_CODE: _digest(*_task_code(run.task))}
    return {name: value for name, value in digests.items() if value}


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
        for name, files in ((METHOD_CODE, [type(run.method)]), (TASK_CODE, _task_code(run.task))):
            other = name in now and name in facts and now[name] != facts[name]
            if other and (now[name] == facts.get(ACCEPTED, {}).get(name)) == accepted:
                changed.setdefault(" or ".join(dict.fromkeys(map(source_file, files))), []).append(run.run_id)
    return changed


def describe_changes(changed: Mapping[str, list[str]]) -> list[str]:
    """Return a sentence per changed file."""
    sentences = []
    for file, run_ids in changed.items():
        runs, them = (f"{len(run_ids)} runs were", "them") if len(run_ids) > 1 else ("1 run was", "it")
        sentences.append(
            f"{file} has changed since {runs} made; --retrain makes {them} again, --keep accepts {them} as they are"
        )
    return sentences


def _digest(*definitions: Any) -> str:
    return _cached_digest(definitions)


@cache  # at first use, which is soon after the import: later changes of the file are not those of the class
def _cached_digest(definitions: tuple[Any, ...]) -> str:
    return code_digest(*definitions)


def _task_code(name: str) -> list[Callable[..., Any]]:
    """Return the functions and classes that a declared task consists of; none for a task that ships."""
    row = task(name)
    if not row.content:
        return []
    environment: Any = row.environment if callable(row.environment) else getattr(row.environment, "entry_point", None)
    if isinstance(environment, str):
        module, _, name = environment.partition(":")
        environment = getattr(sys.modules.get(module), name, None)
    return [part for part in (environment, row.expert, row.medium, row.success) if callable(part)]
