"""Exit codes of the commands; docs/guide/running.md has the table. 0 is that nothing is left to do."""

INCOMPLETE = 1
"""Runs are missing or failed, results cannot be written, or there is nothing to show."""
FAULTY = 1
"""Records or a machine have been examined, and something is wrong."""
REFUSED = 2
"""A user's mistake, which one sentence tells."""
OUT_OF_TIME = 75
"""A worker has ended before the end of its job's time; the same command goes on."""
INTERRUPTED = 130
"""Ctrl-C, SIGTERM or a cancelled job; the same command goes on."""
