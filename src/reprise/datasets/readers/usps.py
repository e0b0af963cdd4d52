"""USPS digits in the form of one HDF5 file: groups ``train`` and ``test``, each with ``data`` and ``target``."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from reprise.datasets.errors import FormatError
from reprise.datasets.options import ImageOptions
from reprise.datasets.readers import Part, Paths, Raw
from reprise.datasets.registry import Entry, Image

_SIDE = 16


def options(_: Entry) -> type[ImageOptions]:
    """Images with an official test part."""
    return ImageOptions


def read(entry: Entry, chosen: Any, paths: Paths) -> Raw:
    """Read the parts that are wanted."""
    (path,) = paths([entry.files[0].name]).values()
    parts = {part: read_part(path, part) for part in ("train", "test") if chosen.part in {"both", part}}
    train = parts.get("train") or parts["test"]
    empty = Part(train.x[:0], train.y[:0], train.rows[:0])
    test = parts["test"] if chosen.part == "both" else empty
    return Raw(train, test, Image(height=_SIDE, width=_SIDE, maximum=1.0))


def read_part(path: str | os.PathLike[str], part: str) -> Part:
    """One part: images of 16 x 16 pixels from 0 to 1, and their digits.

    Raises:
        FormatError: no HDF5 file, a group or array is missing, or shapes and values do not fit.
    """
    import h5py  # only this set needs it

    try:
        with h5py.File(path, "r") as file:
            x, y = np.asarray(file[f"{part}/data"]), np.asarray(file[f"{part}/target"])
    except (OSError, KeyError) as error:
        raise FormatError(f"{path} is no HDF5 file with {part}/data and {part}/target: {error}") from error
    if x.shape != (len(y), _SIDE * _SIDE):
        raise FormatError(f"{path}: {part}/data has shape {x.shape}, not ({len(y)}, {_SIDE * _SIDE})")
    if not (np.isfinite(x).all() and x.min() >= 0.0 and x.max() <= 1.0):
        raise FormatError(f"{path}: {part}/data has values outside 0 to 1")
    return Part(x.reshape(-1, _SIDE, _SIDE), y.astype(np.int64), np.arange(len(y)))
