"""Loss terms that several methods share. Every function maps tensors ``[..., B]`` and never reduces over members."""

from __future__ import annotations

import math

import torch

LOG_STD_RANGE = (-5.0, 2.0)
"""Gaussian policies of the JAX family clip their log standard deviation to this range."""


def expectile_loss(residual: torch.Tensor, expectile: torch.Tensor) -> torch.Tensor:
    """Return ``|expectile - 1(u < 0)| u^2`` for ``u = target - value`` (Kostrikov et al. 2022, Eq. 5).

    With expectiles above 1/2 the value rises towards the upper part of the target's distribution."""
    return torch.where(residual < 0, 1.0 - expectile, expectile) * residual.square()


def exponential_weights(advantages: torch.Tensor, temperature: torch.Tensor, clip: float = 100.0) -> torch.Tensor:
    """Return AWR's weights ``min(exp(temperature * advantage), clip)``. Clipping the exponent avoids overflow."""
    return torch.exp((temperature * advantages).clamp(max=math.log(clip)))


def gaussian_log_prob(actions: torch.Tensor, means: torch.Tensor, log_std: torch.Tensor) -> torch.Tensor:
    """Return the log density ``[..., B]`` of ``actions`` ``[..., B, A]`` under a diagonal Gaussian with ``log_std``
    ``[..., 1, A]``."""
    scaled = (actions - means) * torch.exp(-log_std)
    constant = 0.5 * math.log(2.0 * math.pi) * actions.shape[-1]
    return -0.5 * scaled.square().sum(-1) - log_std.sum(-1) - constant


def chance(logits: torch.Tensor) -> torch.Tensor:
    """Return the logistic function of logits, element by element. PyTorch's ``sigmoid`` rounds differently at the end
    of a tensor on a CPU."""
    return torch.exp(torch.nn.functional.logsigmoid(logits))


def logistic_loss(logits: torch.Tensor, chances: torch.Tensor) -> torch.Tensor:
    """Return the binary cross-entropy of chances in [0, 1] and logits, element by element."""
    above: torch.Tensor = torch.nn.functional.logsigmoid(logits)
    below: torch.Tensor = torch.nn.functional.logsigmoid(-logits)
    return -chances * above - (1.0 - chances) * below


def log_mean_exp(values: torch.Tensor) -> torch.Tensor:
    """Return ``log mean exp`` over the last axis, without overflow."""
    return torch.logsumexp(values, -1) - math.log(values.shape[-1])


def rescaling_exponent(exponents: torch.Tensor) -> torch.Tensor:
    """Return ``m = max(-1, the largest exponent)`` over the last axis, as a constant ``[..., 1]``.

    A loss multiplied by ``exp(-m)`` has no exponential above 1 (the released codes of EQL and XQL)."""
    return exponents.detach().amax(-1, keepdim=True).clamp(min=-1.0)
