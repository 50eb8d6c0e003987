"""Process of ``smore-sweep doctor``: ``python -m smore_sweep.doctor FOLDER RESULTS SECONDS``."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from smore_sweep.bench.synthetic import EPISODES, make_store
from smore_sweep.console import make_console
from smore_sweep.doctor import cost, machine, services, training
from smore_sweep.doctor.findings import BAD, Clock, Finding, examine
from smore_sweep.doctor.show import conclusion, section, show
from smore_sweep.exit_codes import FAULTY
from smore_sweep.storage.atomic import atomic_write
from smore_sweep.training.device import choose_device, prepare

RATE_SECONDS = 12.0
"""Time to measure the rates at one size."""


def main(folder: Path, results: Path, seconds: float) -> int:
    """Examine, print, and write the report. Returns the exit code: 1 if something is bad."""
    out, clock = make_console(), Clock(seconds)
    out.record = True
    findings: dict[str, Finding] = {}

    def look(name: str, call: Callable[[], Finding], needs: float = 0.0) -> Finding:
        with out.status(f"{name} ..."):
            finding = examine(name, call, clock, needs)
        findings[finding.name] = finding
        show(out, finding)
        return finding

    out.print(section("Machine"))
    look("versions", machine.versions)
    look("processor", machine.processor)
    look("CPU kernels", machine.kernels)
    look("GPU", machine.graphics)
    look("memory", machine.memory)
    look("disk", partial(machine.disk, results))

    device = choose_device(torch.cuda.is_available())
    prepare(device)
    store = make_store(EPISODES, seed=0)
    out.print(section("Updates"))
    look("GPU against CPU", partial(training.device_agreement, store, device), 10)
    look("captured against eager", partial(training.capture_agreement, store, device), 10)
    measured = {
        size: look(f"SMORe, {size}", partial(training.rates, store, device, size, RATE_SECONDS), 2 * RATE_SECONDS)
        for size in training.SIZES
    }

    out.print(section("Services"))
    look("rendering", services.rendering, 10)  # first: MuJoCo chooses how to draw when it is imported
    look("environments", services.environments, 5)
    look("MLflow", services.mlflow, 20)
    look("Ray", services.ray, 20)

    out.print(section("Cost"))
    cores, gpus = (findings[name].figures.get(key, 0) for name, key in (("processor", "cores"), ("GPU", "count")))
    paper = measured[training.PAPER].figures or None
    look("campaign at paper scale", partial(cost.paper_campaign, paper, results, cores or 1, gpus), 10)

    out.print(conclusion(list(findings.values()), clock.spent))
    report = {
        "seconds": clock.spent,
        "findings": [vars(finding) for finding in findings.values()],
        "settings": {name: value for name, value in os.environ.items() if name.startswith("SMORE_SWEEP_")},
    }
    file = folder / time.strftime("doctor-%Y%m%d-%H%M%S.json", time.gmtime())
    for path, content in ((file, json.dumps(report, indent=2)), (file.with_suffix(".txt"), out.export_text())):
        with atomic_write(path) as unfinished:
            unfinished.write_text(content)
    out.print(f"Wrote {file}, and beside it the text above. Please read it, and send it to us.", soft_wrap=True)
    return FAULTY if any(finding.rating == BAD for finding in findings.values()) else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])))
