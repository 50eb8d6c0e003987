"""Findings about training: the numbers of an update, and how many of them the machine does in a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from smore_sweep.bench.speed import product
from smore_sweep.bench.synthetic import TASK, make_budget, make_runs
from smore_sweep.doctor.findings import BAD, GOOD, NOTE, SKIPPED, Finding
from smore_sweep.smore import SMORe
from smore_sweep.tasks import task
from smore_sweep.training.capture import AUTO, EAGER, WARM_UP, Updates
from smore_sweep.training.device import wait
from smore_sweep.training.loop import build_learner

if TYPE_CHECKING:
    from smore_sweep.stacked.episode_store import EpisodeStore
    from smore_sweep.training.learner import Learner

MEMBERS, COMPARED = 3, 10
"""Members and updates of a comparison."""
TOLERANCE = 1e-3
"""Most that a parameter's change may differ between devices after :data:`COMPARED` updates, in shares of the root mean
square of the changes of its leaf: rounding of float32 gives some 1e-5, TF32 or a wrong kernel 1e-2 and more."""
SIZES = {"2 x 256, batch 512": (256, 512), "2 x 128, batch 256": (128, 256)}
"""Width and batch size of the paper's runs and of a laptop's."""
STACKS = {"cpu": (1, 10), "cuda": (1, 10, 50, 100)}
PAPER = next(iter(SIZES))


def device_agreement(store: EpisodeStore, device: torch.device) -> Finding:
    """Compare updates on the GPU with the same ones on the CPU."""
    name = "GPU against CPU"
    if device.type == "cpu":
        return Finding(name, SKIPPED, "there is no GPU")
    error = _difference(_after(store, torch.device("cpu"), EAGER)[0], _after(store, device, EAGER)[0], store)
    good = error <= TOLERANCE
    verdict = f"{COMPARED} updates differ by {error:.1e} of their size (tolerance {TOLERANCE:g})"
    return Finding(name, GOOD if good else BAD, verdict, {"difference": error, "tolerance": TOLERANCE})


def capture_agreement(store: EpisodeStore, device: torch.device) -> Finding:
    """Compare captured updates with eager ones on the GPU, bit by bit."""
    name = "captured against eager"
    if device.type == "cpu":
        return Finding(name, SKIPPED, "only a GPU captures updates")
    eager, (captured, problem) = _after(store, device, EAGER)[0], _after(store, device, AUTO)
    if problem:
        return Finding(name, NOTE, problem, {"captured": False})
    error = _difference(eager, captured, store)
    verdict = "the same bits" if error == 0 else f"differ by {error:.1e} of the updates' size"
    return Finding(name, GOOD if error <= TOLERANCE else BAD, verdict, {"captured": True, "difference": error})


def rates(store: EpisodeStore, device: torch.device, size: str, seconds: float) -> Finding:
    """Measure member-updates per second by stack size.

    Args:
        store: Episodes to train on.
        device: Where to train.
        size: One of :data:`SIZES`.
        seconds: Time for all stack sizes together.
    """
    width, batch_size = SIZES[size]
    method, stacks = SMORe(hidden=width), STACKS[device.type]
    flops = method.flops(task(TASK).sizes, batch_size)
    figures = []
    for members in stacks:
        learner = build_learner(make_runs(method, range(members), make_budget(batch_size)), store, device)
        update = Updates(learner, AUTO)
        multiply, operations = product(members, device)
        share = seconds / len(stacks)
        products = _per_second(multiply, 0.1 * share, device) * operations
        rate = members * _per_second(update, 0.6 * share, device, warm_up=WARM_UP + 2)
        row = {"stack": members, "rate": rate, "products": products}
        if device.type == "cuda":
            eager = Updates(learner, EAGER)
            row["eager"] = members * _per_second(eager, 0.2 * share, device, warm_up=1)
        figures.append(row)
    # Products of few members do not fill a card either, so all shares are of the best rate.
    most = max(row["products"] for row in figures)
    for row in figures:
        row["share"] = row["rate"] * flops / most
    best = max(figures, key=lambda row: row["rate"])
    where = "on the GPU" if device.type == "cuda" else "of a core's time"
    verdict = f"{best['rate']:,.0f} member-updates a second {where}, at a stack of {best['stack']}"
    return Finding(f"SMORe, {size}", GOOD, verdict, {"size": size, "stacks": figures})


def _after(store: EpisodeStore, device: torch.device, setting: str) -> tuple[Learner, str]:
    learner = _fresh(store, device)
    update = Updates(learner, setting)
    for _ in range(COMPARED):
        update()
    return learner, update.problem


def _fresh(store: EpisodeStore, device: torch.device) -> Learner:
    runs = make_runs(SMORe(hidden=128), range(MEMBERS), make_budget(256))
    return build_learner(runs, store, device)


def _difference(first: Learner, second: Learner, store: EpisodeStore) -> float:
    """Return the largest root-mean-square difference of a leaf's parameters, in shares of how far they moved."""
    largest = 0.0
    states = zip(first.state(), second.state(), _fresh(store, torch.device("cpu")).state(), strict=True)
    for one, other, start in states:
        for name, array in one.items():
            if "/w" in name and name.count("/") == 1:
                moved = np.sqrt(np.mean((array - start[name]) ** 2, dtype=np.float64))
                apart = np.sqrt(np.mean((array - other[name]) ** 2, dtype=np.float64))
                largest = max(largest, float(apart / max(moved, 1e-12)))
    return largest


def _per_second(call: Callable[[], object], seconds: float, device: torch.device, warm_up: int = 1) -> float:
    """Return the calls per second over about so many seconds, at least two calls. A CPU's seconds are those that this
    process had of a core, so that other processes do not count."""
    read = time.process_time if device.type == "cpu" else time.perf_counter
    for _ in range(warm_up):
        call()
    wait(device)
    started, own, count, block = time.perf_counter(), read(), 0, 1
    while True:
        for _ in range(block):
            call()
        wait(device)
        count += block
        elapsed = time.perf_counter() - started
        if elapsed >= seconds and count >= 2:
            return count / (read() - own)
        block = max(1, min(block * 2, int((seconds - elapsed) / elapsed * count)))
