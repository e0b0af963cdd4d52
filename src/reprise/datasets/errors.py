"""What can go wrong with data, each with a message that says what is wrong and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DataError(Exception):
    """Something is wrong with a data set, a file of it, or what was asked of it."""


class UnknownDatasetError(DataError, LookupError):
    """No data set has this name."""


class OptionError(DataError, ValueError):
    """An option of :func:`reprise.datasets.load` is unknown, of the wrong type or out of range."""


class ChecksumError(DataError):
    """A file's content is not what the registry says."""


class TruncatedError(DataError):
    """A file or archive ends too early."""


class FormatError(DataError):
    """A file is whole, but is not in the format that it should be in."""


class UnreachableError(DataError):
    """A file is not on this machine, and no address delivers it."""


class StorageError(DataError):
    """The disk refuses: read-only, no permission, or full."""


class RegistryError(DataError):
    """The registry of data sets contradicts itself."""


class DataWarning(UserWarning):
    """A data file on this machine was passed over or set aside."""


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """A closing sentence for a message about an unknown name.

    >>> suggestion("mnits", ["digits", "mnist"])
    "did you mean 'mnist'?"
    >>> suggestion("x", ["train", "test"])
    'known are: test, train'
    """
    names = sorted(known)
    lowered = {name.lower(): name for name in names}
    close = difflib.get_close_matches(wrong.lower(), lowered, n=3, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(f"'{lowered[name]}'" for name in close) + "?"
    return "known are: " + ", ".join(names)
