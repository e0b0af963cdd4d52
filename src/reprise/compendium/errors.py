"""Errors that are a user's to mend: the command line prints them as one message, without a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RepriseError(Exception):
    """Something that the user can put right; the message says what is wrong and what would be right."""


class CardError(RepriseError):
    """A card that cannot be read, or that breaks the rules for cards."""


class ParameterError(RepriseError, ValueError):
    """An unknown parameter, a value of the wrong type, or one out of bounds."""


class StudyError(RepriseError):
    """A notebook that uses its card wrongly: unknown claim, check tested twice, figure without alt text."""


class RunError(RepriseError):
    """A notebook run that did not end well; no record was written."""


class Interrupted(RunError):
    """A run that the user broke off."""


class RecordError(RepriseError):
    """A record that cannot be read or must not be written."""


def suggest(name: str, known: Iterable[str]) -> str:
    """The tail of an error message about an unknown name: the nearest known one, or all of them.

    >>> suggest("widht", ["width", "seeds"])
    "did you mean 'width'?"
    >>> suggest("zzz", ["width", "seeds"])
    'known: seeds, width'
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"known: {', '.join(names)}" if names else "there are none"
