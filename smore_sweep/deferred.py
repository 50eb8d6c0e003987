"""Slow modules that are loaded when they are first used instead of when they are imported."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


class _Deferred(ModuleType):
    """Stands in a module's place until one of its attributes is asked for, then becomes it.

    (``importlib.util.LazyLoader`` does not serve: an import statement looks at the module's spec, which loads it.)"""

    def __getattr__(self, attribute: str) -> object:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module = importlib.import_module(self.__name__)
        self.__dict__.update(module.__dict__)
        return getattr(module, attribute)


@contextmanager
def deferred(name: str) -> Iterator[None]:
    """What is imported meanwhile gets ``name`` at its first use instead of now: sweeps name methods, and methods name
    torch, but neither a plan nor a table needs it. Afterwards it counts as not imported, which some libraries check."""
    if name in sys.modules:
        yield
        return
    stand_in = sys.modules[name] = _Deferred(name)
    try:
        yield
    finally:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
