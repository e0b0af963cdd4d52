"""Colour images as JPEG files in ZIP archives, one folder a class, read as planes of red, green and blue."""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from reprise.datasets.dataset import Array
from reprise.datasets.errors import FormatError, OptionError
from reprise.datasets.options import ImageOptions
from reprise.datasets.readers import Part, Paths, Raw
from reprise.datasets.readers.archives import members
from reprise.datasets.registry import Entry, Image

SIDE = 32


def options(_: Entry) -> type[ImageOptions]:
    """Images with an official test part; `size` has to stay as it is."""
    return ImageOptions


def read(entry: Entry, chosen: Any, paths: Paths) -> Raw:
    """Read the parts that are wanted, as images of 96 by 32: the three planes of 32 by 32 below one another.

    Rows are in the order of the classes, and within a class in that of the file names.

    Raises:
        OptionError: a size is asked for, which would mix the planes.
        FormatError: a file lies in no class's folder, or is no image of 32 by 32 pixels in colour.
    """
    if chosen.size is not None:
        raise OptionError(f"{entry.name}: size={chosen.size}: the three planes of a colour image keep their size")
    parts = {}
    for part in ("train", "test"):
        if chosen.part in {"both", part}:
            name = next(file.name for file in entry.files if file.part == part)
            parts[part] = _part(paths([name])[name], entry.classes)
    train = parts.get("train") or parts["test"]
    test = parts.get("test") if chosen.part == "both" else None
    empty = Part(train.x[:0], train.y[:0], train.rows[:0])
    return Raw(train, test or empty, Image(height=3 * SIDE, width=SIDE, maximum=255.0))


def _part(path: str, classes: list[str]) -> Part:
    images, labels = [], []
    for name, content in members(path, suffix=".jpg"):
        folder = PurePosixPath(name).parent.name
        if folder not in classes:
            raise FormatError(f"{path}: {name} lies in no class's folder")
        images.append(_planes(content, f"{path}: {name}"))
        labels.append(classes.index(folder))
    if not images:
        raise FormatError(f"{path} has no JPEG files")
    order = np.argsort(labels, kind="stable")
    return Part(np.stack(images)[order], np.asarray(labels, np.int64)[order], np.arange(len(images)))


def _planes(content: bytes, name: str) -> Array:
    from PIL import Image as Picture  # only these archives need it
    from PIL import UnidentifiedImageError

    try:
        with Picture.open(io.BytesIO(content)) as image:
            pixels = np.asarray(image)
    except (UnidentifiedImageError, OSError) as error:
        raise FormatError(f"{name} is no image: {error}") from error
    if pixels.shape != (SIDE, SIDE, 3):
        raise FormatError(f"{name} has the shape {pixels.shape}, not {SIDE} x {SIDE} in colour")
    return np.moveaxis(pixels, 2, 0).reshape(3 * SIDE, SIDE)
