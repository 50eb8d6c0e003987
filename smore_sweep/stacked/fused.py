"""Fused passes of stacked networks on x86 CPUs: one call of compiled code for a whole forward or backward pass.

The code (``native/``) makes a network's products member by member with biases, activations, LayerNorm and their
gradients in the products' epilogues, in vectors of 256 or 512 bits. Every number is one chain of operations in one
order, so it depends neither on the stack nor on the length of the vectors. ``pip install`` builds it where it finds a
C++ compiler. Everywhere else - no compiler, another processor, a GPU, float64 - the passes of
:mod:`smore_sweep.stacked.passes` do the same with PyTorch's kernels.

This module imports torch late, so that a command can name the kernels quickly.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Sequence
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING

from smore_sweep.errors import UserError

if TYPE_CHECKING:
    import torch

    from smore_sweep.stacked.network_spec import NetworkSpec

SETTING = "SMORE_SWEEP_KERNELS"
"""Environment variable that chooses the kernels of CPU passes; unset, the fastest that the machine has."""
CHOICES = ("avx512", "avx2", "torch")
FUSED, TORCH = "fused", "torch"
"""Names of the two paths in a record. Vectors of 512 and of 256 bits give the same numbers."""

_MOST_LAYERS = 16
_ACTIVATIONS = ("relu", "tanh", "gelu")
"""As numbered by ``native/network.h``."""
_LAYOUT = 2
"""Of the structures that are shared with the compiled code."""
_Indices = ctypes.c_int64 * _MOST_LAYERS


class _Network(ctypes.Structure):
    """``Network`` of ``native/network.h``."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("layers", "activation", "layer_norm", "copies", "members")),
        *((name, ctypes.c_int64) for name in ("member_size", "used")),
        ("widths", ctypes.c_int64 * (_MOST_LAYERS + 1)),
        *((name, _Indices) for name in ("weights", "biases", "scales", "shifts")),
        ("epsilon", ctypes.c_double),
    )


class _Input(ctypes.Structure):
    """``Input`` of ``native/network.h``."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("member_stride", ctypes.c_int64),
        ("row_stride", ctypes.c_int64),
        ("width", ctypes.c_int64),
    )


class Kernels:
    """The entry points of the compiled library for one length of vectors, ``"avx512"`` or ``"avx2"``."""

    def __init__(self, library: ctypes.CDLL, vectors: str) -> None:
        pointer, integer = ctypes.c_void_p, ctypes.c_int64
        self.vectors = vectors
        self.forward = library[f"forward_{vectors}"]
        self.forward.argtypes = [pointer, pointer, pointer, integer, integer, pointer, pointer]
        self.backward = library[f"backward_{vectors}"]
        self.backward.argtypes = [pointer, pointer, integer, pointer, pointer, pointer, pointer, integer]
        self.forward.restype = self.backward.restype = None
        self.kept_size = library[f"kept_size_{vectors}"]
        self.kept_size.argtypes, self.kept_size.restype = [pointer, integer], integer
        self.operations = library[f"operations_{vectors}"]
        """Operations of the products that the calling thread has made so far, 2 per multiply-add."""
        self.operations.argtypes, self.operations.restype = [], integer


@cache
def available() -> tuple[str, ...]:
    """Return the values of the setting that work on this machine, the fastest first; the last is ``"torch"``."""
    library = _library()
    if library is None:
        return (TORCH,)
    library.vector_bits.argtypes, library.vector_bits.restype = [], ctypes.c_int64
    bits = library.vector_bits()
    return (*(name for name, needed in (("avx512", 512), ("avx2", 256)) if bits >= needed), TORCH)


def chosen() -> str:
    """Return the kernels that CPU passes of this process use.

    Raises:
        UserError: The setting has no such value, or the machine has no such kernels.
    """
    value = os.environ.get(SETTING) or available()[0]
    if value not in CHOICES:
        raise UserError(f"{SETTING} = {value!r} is not valid; it must be one of {', '.join(CHOICES)}")
    if value not in available():
        raise UserError(f"{SETTING} = {value!r}, but this machine has only: {', '.join(available())}")
    return value


def path() -> str:
    """Return the name of the CPU passes' path, as records have it: ``"fused"`` or ``"torch"``."""
    return TORCH if chosen() == TORCH else FUSED


def kernels() -> Kernels | None:
    """Return the fused kernels that CPU passes of this process use, or None for PyTorch's."""
    name = chosen()
    return None if name == TORCH else _kernels(name)


def why_not() -> str | None:
    """Explain in one sentence that CPU passes use PyTorch's slower kernels, or return None if they do not."""
    if chosen() != TORCH:
        return None
    if len(available()) > 1:
        return f"{SETTING}=torch: training takes up to twice as long as with the fused kernels"
    reason = "they need an x86 processor with AVX2" if _library() else "they are not built"
    return (
        f"training without the fused kernels takes up to twice as long; {reason} "
        "(a C++ compiler and another `pip install --editable .` build them)"
    )


@cache
def _library() -> ctypes.CDLL | None:
    for suffix in EXTENSION_SUFFIXES:
        file = Path(__file__).with_name(f"_fused{suffix}")
        if file.exists():
            with contextlib.suppress(OSError):  # built for an older or another system, and sent here by a job
                library = ctypes.CDLL(str(file))
                if hasattr(library, "layout") and library.layout() == _LAYOUT:  # else built from older code
                    return library
    return None


@cache
def _kernels(vectors: str) -> Kernels:
    library = _library()
    assert library is not None
    return Kernels(library, vectors)


class Passes:
    """Fused passes of one stacked network.

    Args:
        spec: the network of one member.
        members: the size of the stack, without copies.
        member_size: parameters of one copy of one member in the flat buffer, with padding.
        starts: where each leaf begins among them.
    """

    def __init__(self, spec: NetworkSpec, members: int, member_size: int, starts: dict[str, int]) -> None:
        widths = (spec.inputs, *spec.hidden, spec.outputs)
        layers = len(widths) - 1
        self.fit = layers <= _MOST_LAYERS and (
            not spec.layer_norm or spec.layer_norm_after == (spec.activation == "gelu")
        )
        """Whether the compiled code has such networks: not too deep, and with LayerNorm after GELU or before another
        activation."""
        self._stacked = (spec.copies, members) if spec.copies > 1 else (members,)
        self._members, self._inputs, self._outputs = members, spec.inputs, spec.outputs
        self._network = _Network(
            layers=layers,
            activation=_ACTIVATIONS.index(spec.activation),
            layer_norm=spec.layer_norm,
            copies=spec.copies,
            members=members,
            member_size=member_size,
            used=starts.get("log_std", starts["end"]),
            epsilon=spec.layer_norm_epsilon,
        )
        if self.fit:
            self._network.widths[: len(widths)] = widths
            for field, leaf in (("weights", "w"), ("biases", "b"), ("scales", "scale"), ("shifts", "shift")):
                begins = [starts.get(f"{leaf}{i}", 0) for i in range(layers)]
                getattr(self._network, field)[:layers] = begins
        self._address = ctypes.addressof(self._network)

    def forward(
        self, kernels: Kernels, flat: torch.Tensor, inputs: Sequence[torch.Tensor], *, keep: bool
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Run the parameters ``flat`` on the joined inputs ``[M, B, .]``.

        Returns:
            The outputs, ``[copies, M, B, outputs]`` or ``[M, B, outputs]`` for a single copy, and, to ``keep``, what
            :meth:`backward` needs.

        Raises:
            RuntimeError: The inputs are not as wide or not as many as the network's. The compiled code would read on.
        """
        import torch

        inputs = [x if x.stride(2) == 1 or x.shape[2] == 1 else x.contiguous() for x in inputs]
        rows = inputs[0].shape[1]
        width = sum(x.shape[2] for x in inputs)
        if width != self._inputs or any(x.shape[:2] != (self._members, rows) for x in inputs):
            shapes = ", ".join(str(list(x.shape)) for x in inputs)
            raise RuntimeError(
                f"a network of {self._inputs} inputs and {self._members} members is called with {shapes}"
            )
        outputs = torch.empty((*self._stacked, rows, self._outputs))
        kept = torch.empty(kernels.kept_size(self._address, rows)) if keep else None
        kernels.forward(
            self._address,
            flat.data_ptr(),
            _described([(x.data_ptr(), *x.stride()[:2], x.shape[2]) for x in inputs]),
            len(inputs),
            rows,
            outputs.data_ptr(),
            None if kept is None else kept.data_ptr(),
        )
        return outputs, kept

    def backward(
        self,
        kernels: Kernels,
        flat: torch.Tensor,
        gradient: torch.Tensor,
        kept: torch.Tensor,
        flat_gradient: torch.Tensor | None,
        widths: Sequence[int],
        wanted: Sequence[bool],
    ) -> list[torch.Tensor | None]:
        """Fill ``flat_gradient`` and return the gradients of the ``wanted`` inputs, which have these ``widths``."""
        import torch

        rows = gradient.shape[-2]
        gradient = gradient.contiguous()
        slots = [
            torch.empty((self._members, rows, width)) if want else None
            for width, want in zip(widths, wanted, strict=True)
        ]
        described = _described(
            [
                (None, 0, 0, width) if slot is None else (slot.data_ptr(), rows * width, width, width)
                for width, slot in zip(widths, slots, strict=True)
            ]
        )
        kernels.backward(
            self._address,
            flat.data_ptr(),
            rows,
            gradient.data_ptr(),
            kept.data_ptr(),
            None if flat_gradient is None else flat_gradient.data_ptr(),
            described,
            len(widths),
        )
        return slots


def _described(inputs: Sequence[tuple[int | None, ...]]) -> ctypes.Array[_Input]:
    """Describe inputs by address, the strides of members and rows, and width."""
    return (_Input * len(inputs))(*inputs)  # type: ignore[misc]  # a tuple of its fields makes a structure
