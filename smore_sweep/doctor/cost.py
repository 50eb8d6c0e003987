"""Estimate what a campaign at paper scale costs on this machine, by the rates just measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from smore_sweep.doctor.findings import GOOD, SKIPPED, Finding
from smore_sweep.planning.campaign import campaign
from smore_sweep.planning.choices import Choices
from smore_sweep.planning.stacks import LARGEST_STACK, padded_size
from smore_sweep.smore import SMORe
from smore_sweep.tasks import task

SCALE = "paper"


def paper_campaign(rates: dict[str, Any] | None, results: Path, cores: int, gpus: int) -> Finding:
    """Estimate the time of all sweeps at paper scale that have no results here.

    A method's update is reckoned by the operations of its products, against SMORe's at the measured rate: on a GPU at
    the size of the sweep's stacks, one stack at a time. Evaluation takes CPU cores; it goes on beside training where
    there is a GPU.

    Args:
        rates: The figures of :func:`smore_sweep.doctor.training.rates` at the paper's size.
        results: Results folder; what is done there costs nothing.
        cores: CPU cores.
        gpus: GPUs.
    """
    name = f"campaign at {SCALE} scale"
    if rates is None:
        return Finding(name, SKIPPED, "the rate of updates was not measured")
    sizes, by_size = ([row[name] for row in rates["stacks"]] for name in ("stack", "rate"))
    training = evaluation = 0.0
    runs = 0
    for entry in campaign(SCALE, results, Choices()):
        rate = max(by_size) * cores
        if gpus and entry.fresh.pending:  # all stacks of a sweep have one size there, and small ones are slower
            padded = padded_size(entry.plan.runs, LARGEST_STACK["cuda"])
            rate = float(np.interp(padded, sizes, by_size)) * gpus
        for run, behind in entry.fresh.pending:
            row, budget = task(run.task), run.budget
            reference = SMORe().flops(row.sizes, budget.batch_size)
            work = run.method.flops(row.sizes, budget.batch_size) / reference
            training += (budget.updates - behind) * work / rate
            evaluation += budget.rolled_out(behind) * row.horizon * row.step_milliseconds / 1e3 / cores
            runs += 1
    hours = max(training, evaluation) / 3600 if gpus else (training + evaluation) / 3600
    figures = {
        "runs": runs, "training_hours": training / 3600, "evaluation_hours": evaluation / 3600, "hours": hours,
        "workers": gpus or cores,
    }  # fmt: skip
    where = f"{gpus} GPU{'s' * (gpus > 1)}" if gpus else f"{cores} cores"
    days = f" ({hours / 24:,.1f} days)" if hours > 48 else ""
    return Finding(name, GOOD, f"{runs:,} runs: about {hours:,.0f} hours on {where}{days}", figures)
