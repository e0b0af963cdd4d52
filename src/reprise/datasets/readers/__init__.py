"""One module per format. Each has ``options(entry)``, the options that such a set understands, and ``read``.

A reader gets the set's entry, the validated options, and a function that turns file names into verified paths; it
gives the arrays as they are in the files. What is done to them afterwards is the same for all sets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from reprise.datasets.dataset import Array
from reprise.datasets.registry import Entry, Image

Paths = Callable[[Sequence[str]], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Part:
    """Inputs and targets of one part of a set, and the rows of the file that they come from."""

    x: Array
    y: Array
    rows: Array


@dataclass(frozen=True, slots=True)
class Raw:
    """A set as its files have it, already divided into training and test part.

    Attributes:
        train: the training part.
        test: the test part, which may be empty.
        image: shape and full value of an image; ``None`` for tables.
        sha256: checksum over the arrays, where the registry cannot have one.
    """

    train: Part
    test: Part
    image: Image | None = None
    sha256: str | None = None


class Reader(Protocol):
    """A module of this package."""

    def options(self, entry: Entry, /) -> type[BaseModel]:
        """The options that this set understands."""

    def read(self, entry: Entry, chosen: Any, paths: Paths, /) -> Raw:
        """Its arrays."""
