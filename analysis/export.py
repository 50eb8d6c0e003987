"""Add the ended runs of a results folder to an archive that can be committed: ``python analysis/export.py --help``."""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_start.py")))

from analysis.frames import archive, tidy
from smore_sweep import console
from smore_sweep.errors import StorageError, UserError
from smore_sweep.exit_codes import INCOMPLETE, REFUSED
from smore_sweep.results import run_files
from smore_sweep.storage.paths import DEFAULT_RESULTS, StoragePath, storage_path


def main(argv: Sequence[str] | None = None) -> int:
    """Export. Returns 1 if there is nothing to export, 2 if the request is wrong or the target cannot be added to."""
    parser = argparse.ArgumentParser(
        description="Add the ended runs of a results folder to exported ones, for others to make tables."
    )
    parser.add_argument(
        "--results", metavar="DIR", default=DEFAULT_RESULTS, help="where the runs are (default: %(default)s)"
    )
    parser.add_argument("--to", metavar="DIR", default="results", help="where to write (default: results)")
    options = parser.parse_args(argv)
    try:
        return _export(storage_path(options.results), storage_path(options.to))
    except UserError as error:
        print(error, file=sys.stderr)
        return REFUSED


def _export(results: StoragePath, folder: StoragePath) -> int:
    count = len(archive.ended(results))
    if not count and archive.is_archive(results):
        raise UserError(f"{results} is an export already; name a results folder, such as {DEFAULT_RESULTS}")
    if not count:
        print(f"no finished run in {results}; run: make sweep SWEEP=quickstart", file=sys.stderr)
        return INCOMPLETE
    if run_files.run_ids(folder):
        raise UserError(f"{folder} is a results folder; export into another one")
    try:
        with console.progress_bar(console.make_console(), "exporting runs", count) as advance:
            archive.write(results, folder, advance)
        tidied = tidy.write(folder)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror}") from None
    print(f"{tidied}: one row per run, one column per knob")
    left_out = len(run_files.run_ids(results)) - count
    unfinished = f" ({left_out} not ended, left out)" if left_out else ""
    total = archive.count(folder)
    print(f"{folder}: {count} runs{unfinished}, {total} in all; python analysis/tables.py --results {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
