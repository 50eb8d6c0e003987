"""Sweep declarations, one ``SWEEP`` per file."""
