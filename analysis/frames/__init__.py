"""Data frames of runs: what a command asks for, where it lies, and cells of tables."""
