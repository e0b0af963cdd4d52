"""What :func:`reprise.datasets.load` returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def _no_rows() -> Array:
    return np.arange(0)


@dataclass(frozen=True, slots=True)
class Meta:
    """What is known about a loaded set besides its arrays.

    Attributes:
        title: the set, for people.
        task: ``classification`` or ``regression``.
        sha256: checksum of the set, as noted for the record.
        classes: names of the classes, in the order of the labels; empty for regression.
        image_shape: height and width of an image as it is now, also after flattening; ``None`` for tables.
        y_mean: what was subtracted from the targets of a regression.
        y_std: what they were divided by then; ``y * y_std + y_mean`` is in original units, and a
            log-likelihood in original units is that of the scaled targets minus ``log(y_std)``.
        train_rows: for each row of ``x``, its row in the training file (or in the table).
        test_rows: the same for ``x_test`` and the test file (or the table).
        stand_in: what this set stands in for, as a sentence part; ``None`` for the real thing.
    """

    title: str
    task: Literal["classification", "regression"]
    sha256: str
    classes: tuple[str, ...] = ()
    image_shape: tuple[int, int] | None = None
    y_mean: float = 0.0
    y_std: float = 1.0
    train_rows: Array = field(default_factory=_no_rows)
    test_rows: Array = field(default_factory=_no_rows)
    stand_in: str | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set, split into training and test part; its arrays cannot be written.

    Attributes:
        name: its name in the registry.
        x: training inputs, shape ``(n, d)``, or ``(n, height, width)`` for images that are not flattened.
        y: training targets, shape ``(n,)``: integer labels or scaled values; ``(n, classes)`` if one-hot.
        x_test: test inputs.
        y_test: test targets.
        meta: everything else.
    """

    name: str
    x: Array
    y: Array
    x_test: Array
    y_test: Array
    meta: Meta

    def __post_init__(self) -> None:
        for array in (self.x, self.y, self.x_test, self.y_test):
            array.setflags(write=False)
        for rows in (self.meta.train_rows, self.meta.test_rows):
            rows.setflags(write=False)

    def __repr__(self) -> str:
        return f"Dataset({self.name}: x {self.x.shape}, x_test {self.x_test.shape}, y {self.y.dtype})"
