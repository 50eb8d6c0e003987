"""Experiment sweeps for offline goal-conditioned reinforcement learning.

The names below are what a sweep file, a method file and a task need, and what runs a sweep and reads its results from
Python. Importing them is light: no torch, ray or mlflow.
"""

from smore_sweep.api import load_policy, run, train
from smore_sweep.api import read_results as results
from smore_sweep.errors import UserError
from smore_sweep.method import POLICY, Method, knob, method
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.spec import Grid, Scale, Sweep, grid
from smore_sweep.stacked.network_spec import NetworkSpec
from smore_sweep.task import Sizes, Task

__all__ = [
    "POLICY",
    "Budget",
    "Grid",
    "Method",
    "NetworkSpec",
    "RunSpec",
    "Scale",
    "Sizes",
    "Sweep",
    "Task",
    "UserError",
    "grid",
    "knob",
    "load_policy",
    "method",
    "results",
    "run",
    "train",
]
