"""What acts: a learner's policy network and the normalisation of its inputs, and what is kept of both when it is done.

With its method's configuration, which a run's content names, the arrays of :meth:`Policy.arrays` are the whole policy:
:func:`restore` makes it act again, by the method's own ``act`` and bit by bit. They are plain numbers; nothing in them
is executed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from smore_sweep.errors import StorageError
from smore_sweep.method import POLICY, Method
from smore_sweep.stacked.networks import Network, Networks
from smore_sweep.stacked.replay import normalize
from smore_sweep.tasks import Sizes

STATISTICS = ("observations/mean", "observations/scale", "goals/mean", "goals/scale")


class Policy:
    """The policies of the members of a stack. ``statistics`` are those of :data:`STATISTICS`, ``[M, 1, .]`` each, or
    none if the method takes its inputs as they are."""

    def __init__(self, method: Method, nets: Networks, statistics: Sequence[torch.Tensor]) -> None:
        self._method = method
        self._nets = nets
        self._statistics = statistics

    @torch.no_grad()
    def act(self, observations: NDArray[np.float32], goals: NDArray[np.float32]) -> NDArray[np.float32]:
        """Deterministic actions ``[M, B, action]`` for raw observations and goals ``[M, B, .]``."""
        device = self._nets[POLICY].flat.device
        states, wanted = torch.from_numpy(observations).to(device), torch.from_numpy(goals).to(device)
        if self._statistics:
            states, wanted = normalize(states, *self._statistics[:2]), normalize(wanted, *self._statistics[2:])
        return self._method.act(self._nets, states, wanted).clamp(-1.0, 1.0).cpu().numpy()

    def arrays(self) -> list[dict[str, NDArray[np.float32]]]:
        """Each member's parameters and statistics."""
        net = self._nets[POLICY]
        tensors = {name: net.by_member(leaf) for name, leaf in net.leaves(net.flat.detach()).items()}
        tensors |= zip(STATISTICS, self._statistics, strict=False)
        return [{name: tensor[m].cpu().numpy().copy() for name, tensor in tensors.items()} for m in range(net.members)]


def restore(method: Method, sizes: Sizes, arrays: Mapping[str, NDArray[np.float32]]) -> Policy:
    """The policy of one member from its :meth:`Policy.arrays`, as a stack of one on the CPU.

    Raises :class:`StorageError` if they are not of this method as it is now."""
    net = Network(method.networks(sizes)[POLICY], POLICY, [0], torch.device("cpu"))
    kept = {name: torch.from_numpy(array)[None] for name, array in arrays.items()}
    try:
        for name, leaf in net.leaves(net.flat.detach()).items():
            net.by_member(leaf).copy_(kept[name])
        statistics = [kept[name] for name in STATISTICS] if method.normalize_inputs else []
    except (KeyError, RuntimeError) as error:
        raise StorageError(f"the policy is not one of {method.name} as it is now ({error})") from None
    return Policy(method, {POLICY: net}, statistics)
