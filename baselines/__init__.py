"""Baselines: one file per method; files that begin with an underscore are shared frames."""
