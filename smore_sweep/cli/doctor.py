"""``smore-sweep doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from smore_sweep.cli.options import Results
from smore_sweep.errors import UserError
from smore_sweep.storage.paths import DEFAULT_RESULTS

SECONDS = 110.0


def doctor(
    output: Annotated[Path, typer.Option(metavar="DIR", help="folder for the report")] = Path("output"),
    results: Results = DEFAULT_RESULTS,
) -> int:
    """Examine this machine for two minutes."""
    import os
    import subprocess
    import sys

    from smore_sweep.training.capture import chosen
    from smore_sweep.training.device import ENVIRONMENT

    chosen()
    if "://" in results:
        raise UserError(f"results = {results!r} is not valid here; give a folder of this machine")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the folder {output} cannot be made: {error.strerror}") from None
    command = [sys.executable, "-m", "smore_sweep.doctor", str(output), results, str(SECONDS)]
    return subprocess.run(command, env=os.environ | ENVIRONMENT, check=False).returncode
