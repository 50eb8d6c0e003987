"""Policies: a learner's policy network with the normalisation of its inputs, and their form in a done run's record.

The arrays of :meth:`Policy.arrays` and the method's configuration, which a run's content names, are the whole policy:
:func:`restore` makes it act again, by the method's own ``act`` and bit by bit. The arrays are plain numbers; nothing in
them is executed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smore_sweep.errors import StorageError
from smore_sweep.method import POLICY, Method
from smore_sweep.stacked.images import scaled
from smore_sweep.stacked.networks import Network, Networks
from smore_sweep.stacked.replay import normalize
from smore_sweep.task import Sizes

STATISTICS = ("observations/mean", "observations/scale", "goals/mean", "goals/scale")


class Policy:
    """The policies of a stack's members.

    Args:
        method: the configuration that acts.
        nets: the networks, of which :data:`POLICY` is used.
        statistics: those named by :data:`STATISTICS`, ``[M, 1, .]`` each, or none if inputs are not normalised.
    """

    def __init__(self, method: Method, nets: Networks, statistics: Sequence[torch.Tensor]) -> None:
        self._method = method
        self._nets = nets
        self._statistics = statistics

    @torch.no_grad()
    def act(self, observations: NDArray[Any], goals: NDArray[Any]) -> NDArray[np.float32]:
        """Return deterministic actions ``[M, B, action]`` for raw observations and goals ``[M, B, .]``."""
        device = self._nets[POLICY].flat.device
        states, wanted = (scaled(torch.from_numpy(array).to(device)) for array in (observations, goals))
        if self._statistics:
            states, wanted = normalize(states, *self._statistics[:2]), normalize(wanted, *self._statistics[2:])
        return self._method.act(self._nets, states, wanted).clamp(-1.0, 1.0).cpu().numpy()

    def arrays(self) -> list[dict[str, NDArray[np.float32]]]:
        """Copy each member's parameters and statistics."""
        net = self._nets[POLICY]
        tensors = {name: net.by_member(leaf) for name, leaf in net.leaves(net.flat.detach()).items()}
        tensors |= zip(STATISTICS, self._statistics, strict=False)
        return [{name: tensor[m].cpu().numpy().copy() for name, tensor in tensors.items()} for m in range(net.members)]


def restore(method: Method, sizes: Sizes, arrays: Mapping[str, NDArray[np.float32]]) -> Policy:
    """Restore one member's policy from its :meth:`Policy.arrays`, as a stack of one on the CPU.

    Raises:
        StorageError: the arrays do not fit the method as it is now.
    """
    net = Network(method.networks(sizes)[POLICY], POLICY, [0], torch.device("cpu"), blank=True)
    tensors = {name: torch.from_numpy(array)[None] for name, array in arrays.items()}
    try:
        for name, leaf in net.leaves(net.flat.detach()).items():
            net.by_member(leaf).copy_(tensors[name])
        statistics = [tensors[name] for name in STATISTICS] if method.normalize_inputs and not sizes.image else []
    except (KeyError, RuntimeError) as error:
        raise StorageError(f"the policy is not one of {method.name} as it is now ({error})") from None
    return Policy(method, {POLICY: net}, statistics)
