"""Data frames of runs, and the cells of tables."""
