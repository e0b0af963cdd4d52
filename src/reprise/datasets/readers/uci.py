"""UCI regression tables as plain text, with published column and split indices."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from reprise.datasets.dataset import Array
from reprise.datasets.errors import FormatError, OptionError
from reprise.datasets.options import UciOptions
from reprise.datasets.readers import Part, Paths, Raw
from reprise.datasets.registry import Entry
from reprise.datasets.splits import divide


def options(_: Entry) -> type[UciOptions]:
    """A regression with two conventions for its splits."""
    return UciOptions


def read(entry: Entry, chosen: Any, paths: Paths) -> Raw:
    """Read table and columns, and divide the rows by the convention that was chosen."""
    found = paths(["data.txt", "index_features.txt", "index_target.txt"])
    table = read_table(found["data.txt"])
    if entry.table is not None and len(table) != entry.table.rows:
        raise FormatError(f"{entry.name}: data.txt has {len(table)} rows, not {entry.table.rows}")
    columns = read_indices(found["index_features.txt"], below=table.shape[1])
    target = read_indices(found["index_target.txt"], below=table.shape[1])
    if chosen.convention == "group" and entry.table is not None:
        columns = columns[~np.isin(columns, entry.table.drop)]
    x, y = table[:, columns], table[:, target[0]]
    if chosen.convention == "group":
        train, test = divide(x, y, split=chosen.split, train_fraction=chosen.train_fraction)
        return Raw(train, test)
    return Raw(*_official(entry, chosen, x, y, paths))


def _official(entry: Entry, chosen: Any, x: Array, y: Array, paths: Paths) -> tuple[Part, Part]:
    known = {file.name for file in entry.files}
    names = [f"index_{part}_{chosen.split}.txt" for part in ("train", "test")]
    if not known.issuperset(names):
        count = sum(name.startswith("index_train_") for name in known)
        raise OptionError(f"{entry.name}: split={chosen.split}: official splits are 0 to {count - 1}")
    if "train_fraction" in chosen.model_fields_set:
        raise OptionError(f"{entry.name}: the official splits have their own train_fraction")
    found = paths(names)
    train, test = (read_indices(found[name], below=len(x)) for name in names)
    if np.intersect1d(train, test).size:
        raise FormatError(f"{entry.name}: split {chosen.split} has rows in both parts")
    return Part(x[train], y[train], train), Part(x[test], y[test], test)


def read_table(path: str | os.PathLike[str]) -> Array:
    """Read a table of numbers separated by blanks or tabs; empty rows are passed over.

    Raises:
        FormatError: something is no finite number, or rows have different lengths.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "loadtxt: input contained no data")
            table = np.loadtxt(path, dtype=np.float64, ndmin=2)
    except ValueError as error:
        raise FormatError(f"{path} is no table of numbers: {error}") from error
    if not table.size:
        raise FormatError(f"{path} is empty")
    if not np.isfinite(table).all():
        raise FormatError(f"{path} has values that are not finite")
    return table


def read_indices(path: str | os.PathLike[str], *, below: int) -> Array:
    """Read distinct indices from 0 to ``below - 1``, one to a row, as integers or as ``3.0e+00``.

    Raises:
        FormatError: one is no integer, out of range, or there twice.
    """
    values = read_table(path).ravel()
    indices = values.astype(np.int64)
    name = f"{Path(path).parent.parent.name}/{Path(path).name}"
    if (indices != values).any() or indices.min() < 0 or indices.max() >= below:
        raise FormatError(f"{name} has indices that are not whole numbers from 0 to {below - 1}")
    if len(np.unique(indices)) < len(indices):
        raise FormatError(f"{name} has an index twice")
    return indices
