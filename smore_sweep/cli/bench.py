"""``smore-sweep bench``."""

from __future__ import annotations

from typing import Annotated

import typer

from smore_sweep.cli import complete


def bench(
    batch_size: Annotated[int, typer.Option(metavar="N", help="batch size of an update")] = 512,
    method: Annotated[
        str | None,
        typer.Option(
            metavar="METHOD", help="only the training step of this method, or of all", autocompletion=complete.methods
        ),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="PART", help="speed, kernels, overhead, memory or packing  [default: all]")
    ] = None,
) -> int:
    """Measure training speed and overhead on this machine."""
    from smore_sweep import bench as benchmark

    return benchmark.bench(batch_size, method, only)
