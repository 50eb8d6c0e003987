"""Errors that a command prints as one sentence, by what is wrong."""

from __future__ import annotations


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


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, to quote in a sentence."""
    return (str(error) or repr(error)).splitlines()[0]
