"""Execution of sweeps: Ray sessions, trials, jobs and single runs. The only package that imports ray."""
