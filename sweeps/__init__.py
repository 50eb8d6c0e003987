"""Declared sweeps: one file each, with one ``SWEEP``."""
