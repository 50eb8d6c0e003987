"""Errors that a command prints as one sentence, by what is wrong."""

from __future__ import annotations

from collections.abc import Iterable


class UserError(Exception):
    """Something that a user can mend. The message is one sentence that names the offending value and the valid ones."""


class DeclarationError(UserError):
    """A sweep, method, task or option is declared wrongly."""


class DatasetError(UserError):
    """A dataset is missing, damaged or unusable."""


class StorageError(UserError):
    """Results cannot be read or written."""


class LockedError(UserError):
    """Another process holds the lock."""


class ClusterError(UserError):
    """Ray cannot be started or reached, or the cluster lacks the resources."""


class TrackingError(UserError):
    """The MLflow tracking store cannot be used."""


def unknown(kind: str, value: str, valid: Iterable[str], otherwise: str = "") -> str:
    """Return the sentence that refuses a name: the name, the valid ones and the closest of them.

    Args:
        kind: What the name stands for, in the singular: ``task``.
        value: The name that was given.
        valid: The names that exist.
        otherwise: What else may be given, to follow the list.
    """
    names = list(valid)
    return f"unknown {kind} {value!r}; the {kind}s are: {', '.join(names)}{otherwise}{did_you_mean(value, names)}"


def did_you_mean(value: str, valid: Iterable[str]) -> str:
    """Return ``; did you mean X?`` for the valid name closest to a value whatever its case, or nothing."""
    import difflib  # late: only a mistake needs it

    names = {name.lower(): name for name in valid}
    closest = difflib.get_close_matches(value.lower(), names, n=1)
    return f"; did you mean {names[closest[0]]}?" if closest else ""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, to quote in a sentence."""
    return (str(error) or repr(error)).splitlines()[0]


def printable(text: str) -> str:
    """Replace a text's control characters, which could steer a terminal, by their escapes."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
