"""Gradients as autograd gives them, to compare with numeric ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from tests.conftest import Array

CLOSE = 1e-5
"""How close, relatively."""


def torch_gradient(function: Callable[[torch.Tensor], torch.Tensor], at: Array) -> Array:
    leaf = torch.tensor(at, requires_grad=True)
    (gradient,) = torch.autograd.grad(function(leaf), leaf)
    return np.asarray(gradient.numpy())
