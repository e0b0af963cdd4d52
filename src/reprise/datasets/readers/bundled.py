"""The sets that come with scikit-learn."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from pydantic import BaseModel

from reprise.datasets.errors import ChecksumError
from reprise.datasets.options import RegressionOptions, SmallImageOptions, TableClassOptions
from reprise.datasets.readers import Paths, Raw
from reprise.datasets.registry import Entry
from reprise.datasets.splits import divide

_LOADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "digits": ("load_digits", {}),
    "diabetes": ("load_diabetes", {"scaled": False}),
    "iris": ("load_iris", {}),
    "wine": ("load_wine", {}),
    "breast-cancer": ("load_breast_cancer", {}),
}


def options(entry: Entry) -> type[BaseModel]:
    """Images, a table with classes, or a regression."""
    if entry.image is not None:
        return SmallImageOptions
    return TableClassOptions if entry.task == "classification" else RegressionOptions


def read(entry: Entry, chosen: Any, _: Paths) -> Raw:
    """Take the arrays from scikit-learn, verify them, and divide their rows."""
    from sklearn import datasets  # importing it takes a second, which only these sets pay

    loader, arguments = _LOADERS[entry.name]
    bunch = getattr(datasets, loader)(**arguments)
    x = np.ascontiguousarray(bunch.data, dtype="<f8")
    y = np.ascontiguousarray(bunch.target, dtype="<f8")
    actual = hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest()
    if actual != entry.sha256:
        raise ChecksumError(
            f"{entry.name}: this release of scikit-learn has other numbers (sha256 {actual} and not "
            f"{entry.sha256}); install the locked release"
        )
    if entry.image is not None:
        x = x.reshape(-1, entry.image.height, entry.image.width)
    if entry.task == "classification":
        y = y.astype(np.int64)
    train, test = divide(x, y, split=chosen.split, train_fraction=chosen.train_fraction)
    return Raw(train, test, entry.image)
