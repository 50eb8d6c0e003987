"""``smore-sweep videos``."""

from __future__ import annotations

from smore_sweep.cli.options import Results, ScaleName, Source, SweepName
from smore_sweep.run_spec import GENERATED
from smore_sweep.storage.paths import DEFAULT_RESULTS


def videos(
    sweep: SweepName, scale: ScaleName = None, source: Source = GENERATED, results: Results = DEFAULT_RESULTS
) -> int:
    """Attach an animation to one run of each cell, in MLflow."""
    from smore_sweep.rendering import videos as animations
    from smore_sweep.storage.paths import storage_path

    return animations.videos(sweep, scale, source=source, results=storage_path(results))
