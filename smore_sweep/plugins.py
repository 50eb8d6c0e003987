"""Methods, tasks and sweeps that installed packages offer, by entry points.

A package's ``pyproject.toml`` names them::

    [project.entry-points."smore_sweep.methods"]
    td3bc = "my_package.td3bc:TD3BC"

The other groups are ``smore_sweep.tasks`` and ``smore_sweep.sweeps``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from smore_sweep.errors import DeclarationError, first_line

T = TypeVar("T")


@dataclass(frozen=True)
class Offer:
    """An entry point of a package."""

    point: EntryPoint

    def load(self, kind: type[T]) -> T:
        """Import the object.

        Raises:
            DeclarationError: If it cannot be imported or is not of this kind.
        """
        package = self.point.dist.name if self.point.dist else "an installed package"
        try:
            offered = self.point.load()
        except Exception as error:  # code of a package that is not ours
            raise DeclarationError(
                f"{self.point.name} of {package} cannot be imported: {type(error).__name__}: {first_line(error)}"
            ) from error
        if not isinstance(offered, kind):
            raise DeclarationError(f"{self.point.value} of {package} is not a {kind.__name__}")
        return offered


@cache
def installed(group: str) -> dict[str, Offer]:
    """Return the offers of a group, ``methods``, ``tasks`` or ``sweeps``, by name."""
    return {point.name: Offer(point) for point in entry_points(group=f"smore_sweep.{group}")}
