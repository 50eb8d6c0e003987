"""Process of ``make bench``: ``python -m smore_sweep.bench BATCH_SIZE PART...``, or ``... --method NAME``."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from smore_sweep import console
from smore_sweep.bench import kernels, memory, overhead, packing
from smore_sweep.bench.speed import Speed, Spread, counted_flops, measure_speed
from smore_sweep.bench.synthetic import IMAGE_TASK, TASK, fitting_task
from smore_sweep.discovery import find_method, methods
from smore_sweep.method import Method
from smore_sweep.stacked import fused
from smore_sweep.tasks import task
from smore_sweep.training.device import choose_device, prepare

STACKS = {"cpu": (1, 4, 10, 50), "cuda": (1, 4, 10, 50, 100)}
STACK = 10
"""Stack size of the table of single methods, and of the targets."""
ROUNDS = 5
TARGET_RATIO, TARGET_SHARE, TARGET_RATE = 3.0, 0.6, 10_000.0
"""Lower bounds for SMORe: ratio to the plain loop and share of the product rate on a core; member-updates per second
on a GPU."""
TARGET_OVERHEAD, TARGET_PACKING = 0.03, 1.15
"""Upper bounds: share of the slots' time, and ratio of the makespan to the ideal one."""

PICTURE = Path("output") / "packing.png"


def main(batch_size: int, names: Sequence[str]) -> int:
    """Measure and print, in this process."""
    out, device = console.make_console(), choose_device(torch.cuda.is_available())
    prepare(device)
    out.print(_machine(device))
    compared = [find_method("smore")(), find_method("gofar")()]
    if names[0] == "--method":
        selected = [kind() for kind in methods().values()] if "all" in names else [find_method(names[1])()]
        _print_methods(out, selected, batch_size, device)
        return 0
    out.print(
        "To repeat: make bench [METHOD=name|all] [ONLY=speed|kernels|overhead|memory|packing]. All takes most\n"
        "of an hour, ONLY=speed some minutes.\n"
    )
    for name in names:
        if name == "speed":
            _print_speed(out, compared, batch_size, device)
        elif name == "kernels":
            _print_kernels(out, list(methods().values()), device)
        else:
            out.print({"overhead": _overhead, "memory": _memory, "packing": _packing}[name](compared))
    return 0


def _print_speed(out: Console, compared: Sequence[Method], batch_size: int, device: torch.device) -> None:
    measured = measure_speed(compared, STACKS[device.type], batch_size=batch_size, device=device, rounds=ROUNDS)
    out.print(_speed_table(measured, batch_size, device))
    _print_targets(out, measured, device)


def _print_kernels(out: Console, kinds: Sequence[type[Method]], device: torch.device) -> None:
    """Print the table of kernels as it is measured, a row a line."""
    if device.type == "cuda" or len(fused.available()) == 1:
        out.print(fused.why_not() or "The fused kernels are for CPUs; this machine trains on a GPU.", markup=False)
        return
    out.print(f"\nFused kernels against PyTorch's: member-updates per CPU-second, median of {ROUNDS} rounds")
    for gain in kernels.measure_kernels(kinds, ROUNDS):
        figures = ", ".join(
            f"{name} {gain.rates[name].median:,.0f} ({gain.ratios[name].median:.2f})" for name in fused.available()
        )
        size = f"2 x {gain.hidden}, batch {gain.batch_size}, stack of {gain.stack:>2}"
        out.print(f"  {size}  {figures:<45}  {gain.method}", markup=False, highlight=False, soft_wrap=True)


def _print_methods(out: Console, selected: Sequence[Method], batch_size: int, device: torch.device) -> None:
    """Print the table of methods at one stack size: speed, and the passes of an update."""
    measured = measure_speed(selected, [STACK], batch_size=batch_size, device=device, rounds=ROUNDS)
    table = Table(title=_title(batch_size, device), title_justify="left", caption_justify="left", caption=(
        f"Stacks of {STACK}. A forward pass over one batch counts 1, a backward pass 1 for the parameters and 1 for "
        f"the inputs; operations: matrix products really made, to those that these passes need."
    ))  # fmt: skip
    for name in ("method", "member-updates/s", "share of product rate", "passes an update", "operations"):
        table.add_column(name, justify="left" if name in ("method", "passes an update") else "right")
    for method, row in zip(selected, measured, strict=True):
        passes = ", ".join(f"{net} {rows / batch_size:g}" for net, rows in method.rows(batch_size).items())
        needed = method.flops(task(fitting_task(method)[0]).sizes, batch_size)
        counted = counted_flops(method, batch_size) / needed
        table.add_row(row.method, row.rate.show(",.1f"), row.share.show(".0%"), passes, f"{counted:.2f}")
    out.print(table)


def _machine(device: torch.device) -> str:
    where = "1 core of " + _processor()
    if device.type == "cuda":
        where = f"{torch.cuda.get_device_name(device)}; {_processor()}"
    return f"{where}; {os.cpu_count()} cores; torch {torch.__version__}; Python {platform.python_version()}"


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _speed_table(measured: Sequence[Speed], batch_size: int, device: torch.device) -> Table:
    products = Spread(tuple(value for row in measured for value in row.products.values))
    caption = f"matrix products of a hidden layer's shape: {products.show('.0f')} GFLOP/s"
    table = Table(title=_title(batch_size, device), caption=caption, title_justify="left", caption_justify="left")
    table.add_column("method")
    for name in ("stack", "member-updates/s", "x plain loop", "share of product rate"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in measured:
        table.add_row(
            row.method, str(row.stack), row.rate.show(",.1f"), row.ratio.show(".2f"), row.share.show(".0%"),
            end_section=row.stack == STACKS[device.type][-1],
        )  # fmt: skip
    return table


def _title(batch_size: int, device: torch.device) -> str:
    seconds = "second" if device.type == "cuda" else "CPU-second of one core"
    return (
        f"Training step, batch {batch_size} (SMORe: {batch_size} + {batch_size}), shapes of {TASK} or, "
        f"with images, {IMAGE_TASK}. Rates a {seconds}; median (min to max) of {ROUNDS} rounds"
    )


def _print_targets(out: Console, measured: Sequence[Speed], device: torch.device) -> None:
    best = next(row for row in measured if row.method == "SMORe" and row.stack == STACK)
    if device.type == "cuda":
        checks = [("member-updates/s", best.rate.median, TARGET_RATE, ",.0f")]
    else:
        checks = [
            ("x plain loop", best.ratio.median, TARGET_RATIO, ".2f"),
            ("of the product rate", best.share.median, TARGET_SHARE, ".0%"),
        ]
    for name, value, target, form in checks:
        verdict = "reached" if value >= target else "missed"
        out.print(f"SMORe, stack of {STACK}: {value:{form}} {name} (target {target:{form}}: {verdict})")


def _overhead(compared: Sequence[Method]) -> str:
    measured = overhead.measure_overhead(compared)
    database, artifact = (size / 1e3 for size in measured.sent)
    busy = (measured.training + measured.evaluation) / measured.stacks
    return (
        f"\nOverhead of a sweep: {measured.stacks} stacks of {overhead.SEEDS} runs, each {busy:.1f} s of training and "
        f"evaluation, on {measured.slots} slots, {console.format_duration(measured.wall)}\n"
        f"  {measured.share:.1%} of the slots' time is neither training nor evaluation (target {TARGET_OVERHEAD:.0%}: "
        f"{'reached' if measured.share < TARGET_OVERHEAD else 'missed'}): {measured.per_stack * 1e3:.0f} ms a stack;\n"
        f"  {measured.book_keeping:.1%} of the processor time goes into other processes: driver, recorder, Ray's own;\n"
        f"  first update after {measured.start_up:.1f} s;\n"
        f"  MLflow keeps {database:.0f} kB a run in its database and {artifact:.0f} kB as its artifact;\n"
        f"  a new process for each stack would take {overhead.actor_start(compared[0]):.1f} s more a stack."
    )


def _memory(compared: Sequence[Method]) -> str:
    lines = ["\nMemory of the training processes, in MB: resident / shared pages in parts / own pages only"]
    for workers in memory.WORKERS:
        for footprint in memory.measure_memory(compared[0], workers):
            each = "; ".join(
                " / ".join(f"{size / 1e6:,.0f}" for size in vars(process).values()) for process in footprint.workers
            )
            lines.append(f"  {workers} with a store of {footprint.store / 1e6:,.0f} MB: {each}")
    return "\n".join(lines)


def _packing(compared: Sequence[Method]) -> str:
    packings = [packing.measure_packing(compared, slots) for slots in packing.SLOTS]
    PICTURE.parent.mkdir(exist_ok=True)
    packing.draw(packings, PICTURE)
    ratios = ", ".join(f"{each.ratio:.2f} on {each.slots}" for each in packings)
    worst = max(each.ratio for each in packings)
    return (
        f"\nPacking of {packing.STACKS} stacks: makespan to the ideal {ratios} workers (target {TARGET_PACKING:g}: "
        f"{'reached' if worst <= TARGET_PACKING else 'missed'}); drawn in {PICTURE}"
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
