"""``smore-sweep verify``."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from smore_sweep.cli.options import Results, TaskNames, check_at_least_one
from smore_sweep.errors import UserError
from smore_sweep.exit_codes import FAULTY
from smore_sweep.storage.paths import DEFAULT_RESULTS

if TYPE_CHECKING:
    from rich.console import Console

    from smore_sweep.results.record import Record
    from smore_sweep.storage.paths import StoragePath


def verify(
    results: Results = DEFAULT_RESULTS,
    retrain: Annotated[
        int | None, typer.Option(metavar="N", help="train N of the ended runs again, drawn by chance, and compare")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="SEED", help="seed of the draw")] = 0,
    tasks: TaskNames = None,
) -> int:
    """Check every record, and train some runs again if asked to."""
    from analysis.frames import archive, archive_checks
    from smore_sweep.console import make_console, progress_bar
    from smore_sweep.planning.choices import parse_choices
    from smore_sweep.results import run_files, verification
    from smore_sweep.stacked import fused
    from smore_sweep.storage.paths import is_folder, storage_path
    from smore_sweep.tasks import task as task_row

    check_at_least_one("retrain", retrain)
    if tasks is not None and retrain is None:
        raise UserError("--tasks says of which tasks runs are trained again; give --retrain too")
    only = {task_row(name).name for name in parse_choices(tasks=tasks).tasks}
    if retrain:
        fused.chosen()
    folder, out = storage_path(results), make_console()
    if not is_folder(folder):
        raise UserError(f"there is no folder {folder}; --results DIR names a results folder or an exported one")
    exported = archive.is_archive(folder)
    count = archive.count(folder) if exported else len(run_files.run_ids(folder))
    if not count:
        print(f"there is no run in {folder}", file=sys.stderr)
        return FAULTY
    with progress_bar(out, "checking runs", count) as advance:
        checked = (archive_checks.verify if exported else verification.verify_records)(folder, advance)
    for sentence in checked.broken:
        out.print(sentence, markup=False, soft_wrap=True)
    counts = f"{len(checked.ended):,} ended and {checked.partial:,} partial runs are intact"
    out.print(f"{folder}: {counts}, {len(checked.broken):,} broken", markup=False, soft_wrap=True)
    different = 0
    if retrain:
        load = archive_checks.published if exported else run_files.load
        different = _retrain(out, _draw(folder, load, checked.ended, retrain, seed, only))
    return FAULTY if checked.broken or different else 0


def _draw(
    folder: StoragePath,
    load: Callable[[StoragePath, str], Record | None],
    run_ids: Sequence[str],
    count: int,
    seed: int,
    tasks: Collection[str],
) -> Iterator[tuple[str, Record]]:
    """Draw ended runs of these tasks, or of all if there are none, without replacement."""
    for run_id in random.Random(seed).sample(sorted(run_ids), len(run_ids)):
        record = load(folder, run_id)
        if record is not None and (not tasks or record.content["task"] in tasks):
            yield run_id, record
            count -= 1
            if not count:
                return


def _retrain(out: Console, drawn: Iterator[tuple[str, Record]]) -> int:
    """Train runs again, print how they compare, and return the number of those that come out different."""
    from smore_sweep.execution import retraining
    from smore_sweep.results import verification

    verdicts: dict[str, int] = {}
    for run_id, record in drawn:
        name = " · ".join(str(record.content[part]) for part in ("method", "task", "expert_share", "seed"))
        try:
            again = retraining.retrain(out, retraining.run_of(record.content, run_id), _padded(record))
        except UserError as error:
            verdict, detail = "not trained", str(error)
        else:
            verdict = verification.compare(record.evaluations, again.evaluations)
            if record.status != again.status:
                verdict = verification.DIFFERENT
            detail = "; ".join([_numbers(record, again), *_circumstances(record, again)])
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
        out.print(f"{run_id} {name}: {verdict}: {detail}", markup=False, soft_wrap=True)
    summary = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    out.print(f"trained again: {summary or 'none, because there is no such run'}")
    return verdicts.get(verification.DIFFERENT, 0)


def _numbers(first: Record, second: Record) -> str:
    """Describe the last evaluation of both records."""
    if not first.evaluations:
        return f"{first.status} without an evaluation, and now {second.status}"
    last = max(first.evaluations)
    if last not in second.evaluations:
        return f"{first.status} at update {first.update:,}, and now {second.status} at {second.update:,}"
    one, other = first.evaluations[last].summary(), second.evaluations[last].summary()
    pairs = [f"{name} {one[name]:.3f} and now {other[name]:.3f}" for name in ("return99", "success")]
    count = len(first.evaluations)
    return f"{count} evaluation{'s' * (count > 1)} compared, at the last {', '.join(pairs)}"


def _padded(record: Record) -> int | None:
    size = record.facts.get("padded_stack", "")
    return int(size) if size.isdigit() else None


def _circumstances(first: Record, second: Record) -> list[str]:
    """Name what may explain a difference: another processor, card or way of updating, other kernels or episodes."""
    reasons = []
    before, now = (record.facts.get("cpu", "") for record in (first, second))
    if not before:
        reasons.append(f"its processor is not recorded, this one is {now}")
    elif before != now:
        reasons.append(f"its processor was {before}, this one is {now}")
    kernels, present = (record.facts.get("kernels", "torch") for record in (first, second))  # once there were no others
    if kernels != present:
        reasons.append(f"its kernels were {kernels}, these are {present}")
    for fact, what in (("gpu", "GPU was"), ("updates", "updates were")):
        if fact in first.facts and first.facts[fact] != second.facts.get(fact, "none"):
            reasons.append(f"its {what} {first.facts[fact]}, now {second.facts.get(fact, 'none')}")
    if first.facts.get("dataset") != second.facts["dataset"]:
        reasons.append("its episodes were others")
    return reasons
