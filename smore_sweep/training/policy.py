"""Policies: one member's acting networks with the normalisation of their inputs, and their form in a run's record.

The arrays of :func:`policy_arrays` and the method's configuration, which a run's content names, are the whole policy:
:func:`restore` makes it act, by the method's own ``sample_actions``. The arrays are plain numbers; nothing in them is
executed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smore_sweep.errors import StorageError
from smore_sweep.method import POLICY, Method
from smore_sweep.stacked.images import scaled
from smore_sweep.stacked.networks import Network, Networks
from smore_sweep.stacked.replay import normalize
from smore_sweep.stacked.rng import Draws
from smore_sweep.task import Sizes

STATISTICS = ("observations/mean", "observations/scale", "goals/mean", "goals/scale")
REMEMBERED = ("remembered/observations", "remembered/goals")


class Policy:
    """The policy of one member, on the CPU.

    Args:
        method: the configuration that acts.
        nets: the networks that it acts with, stacks of one.
        statistics: those named by :data:`STATISTICS`, ``[1, 1, .]`` each, or none if inputs are not normalised.
        remembered: states named by :data:`REMEMBERED`, ``[1, n, .]`` each, or none.
    """

    @torch.no_grad()
    def __init__(
        self,
        method: Method,
        nets: Networks,
        statistics: Sequence[torch.Tensor],
        remembered: Sequence[torch.Tensor] = (),
    ) -> None:
        self._method = method
        self._nets = nets
        self._statistics = statistics
        self._remembered = method.recall(nets, *remembered) if remembered else None

    @torch.no_grad()
    def act(self, observations: NDArray[Any], goals: NDArray[Any], draws: Draws) -> NDArray[np.float32]:
        """Return actions ``[1, B, action]`` for raw observations and goals ``[1, B, .]``; ``draws`` has as many rows.
        Equal arguments yield equal actions."""
        return self._acted(self._method.sample_actions, observations, goals, draws)

    @torch.no_grad()
    def explore(self, observations: NDArray[Any], goals: NDArray[Any], draws: Draws) -> NDArray[np.float32]:
        """Return the actions with which the method collects episodes; otherwise as :meth:`act`."""
        return self._acted(self._method.explore, observations, goals, draws)

    def _acted(
        self, actions: Callable[..., torch.Tensor], observations: NDArray[Any], goals: NDArray[Any], draws: Draws
    ) -> NDArray[np.float32]:
        states, wanted = scaled(torch.from_numpy(observations)), scaled(torch.from_numpy(goals))
        if self._statistics:
            states, wanted = normalize(states, *self._statistics[:2]), normalize(wanted, *self._statistics[2:])
        draws = replace(draws, remembered=self._remembered)
        return actions(self._nets, states, wanted, draws).clamp(-1.0, 1.0).numpy()


def policy_arrays(
    nets: Networks,
    acts_with: Sequence[str],
    statistics: Sequence[torch.Tensor],
    remembered: Sequence[torch.Tensor],
) -> list[dict[str, NDArray[np.float32]]]:
    """Copy each member's acting networks, statistics and remembered states.

    Args:
        nets: the networks of a stack.
        acts_with: names of those that act.
        statistics: as in :class:`Policy`, ``[M, 1, .]`` each.
        remembered: as in :class:`Policy`, ``[M, n, .]`` each.
    """
    tensors: dict[str, torch.Tensor] = {}
    for name in acts_with:
        net = nets[name]
        tensors |= {_array(name, leaf): net.by_member(each) for leaf, each in net.leaves(net.flat.detach()).items()}
    tensors |= zip(STATISTICS, statistics, strict=False)
    tensors |= zip(REMEMBERED, remembered, strict=False)
    members = nets[acts_with[0]].members
    return [{name: tensor[m].cpu().numpy().copy() for name, tensor in tensors.items()} for m in range(members)]


def restore(method: Method, sizes: Sizes, arrays: Mapping[str, NDArray[np.float32]]) -> Policy:
    """Restore one member's policy from its :func:`policy_arrays`.

    Raises:
        StorageError: the arrays do not fit the method as it is now.
    """
    tensors = {name: torch.from_numpy(array)[None] for name, array in arrays.items()}
    specs, nets = method.networks(sizes), {}
    try:
        for name in method.acts_with:
            nets[name] = net = Network(
                replace(specs[name], target_rate=0.0), name, [0], torch.device("cpu"), blank=True
            )
            for leaf, values in net.leaves(net.flat.detach()).items():
                net.by_member(values).copy_(tensors[_array(name, leaf)])
        statistics = [tensors[name] for name in STATISTICS] if method.normalize_inputs and not sizes.image else []
        kept = method.remembers and REMEMBERED[0] in tensors  # a record from before its method remembered has none
        remembered = [tensors[name] for name in REMEMBERED] if kept else []
    except (KeyError, RuntimeError) as error:
        raise StorageError(f"the policy is not one of {method.name} as it is now ({error})") from None
    return Policy(method, nets, statistics, remembered)


def _array(net: str, leaf: str) -> str:
    """Name the array of a network's leaf. Those of :data:`POLICY` have the leaf's own name, as in records from before
    other networks acted."""
    return leaf if net == POLICY else f"{net}/{leaf}"
