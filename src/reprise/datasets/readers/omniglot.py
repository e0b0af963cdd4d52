"""Omniglot: the arrays of both parts, and the official zips of PNG drawings and of the one-shot task."""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from reprise.datasets.dataset import Array
from reprise.datasets.errors import FormatError
from reprise.datasets.options import DrawingOptions
from reprise.datasets.readers import Part, Paths, Raw
from reprise.datasets.readers.archives import members, read_npz
from reprise.datasets.registry import Entry, Image

_SIDE = 105
_FILES = {"train": "images_background.npz", "test": "images_evaluation.npz"}
_DRAWING = re.compile(r"(?P<alphabet>[^/]+)/character\d+/(?P<character>\d{4})_(?P<drawer>\d{2})\.png$")


def options(_: Entry) -> type[DrawingOptions]:
    """Images with an official test part, whose classes have no names."""
    return DrawingOptions


def read(entry: Entry, chosen: Any, paths: Paths) -> Raw:
    """Read the parts that are wanted; labels are character numbers from 0, as in the file names less 1."""
    first = 0
    parts: dict[str, Part] = {}
    for part, name in _FILES.items():
        if chosen.part in {"both", part}:
            arrays = read_npz(paths([name])[name], ("images", "labels"))
            parts[part] = _part(arrays["images"], first=first, name=f"{entry.name}: {name}")
        first = 964
    train = parts.get("train") or parts["test"]
    empty = Part(train.x[:0], train.y[:0], train.rows[:0])
    test = parts["test"] if chosen.part == "both" else empty
    return Raw(train, test, Image(height=_SIDE, width=_SIDE, maximum=1.0))


def _part(images: Array, *, first: int, name: str) -> Part:
    if images.ndim != 4 or images.shape[2:] != (_SIDE, _SIDE):
        raise FormatError(f"{name} has images of shape {images.shape}")
    characters, drawers = images.shape[:2]
    ink = (~images.astype(bool)).astype(np.uint8).reshape(-1, _SIDE, _SIDE)
    labels = np.repeat(np.arange(first, first + characters), drawers)
    return Part(ink, labels, np.arange(len(ink)))


@dataclass(frozen=True, slots=True)
class Drawings:
    """Drawings read from PNG files, one entry per file.

    Attributes:
        images: shape ``(n, 105, 105)``, 1 where there is ink.
        characters: numbers of the characters, from 1, as in the file names.
        drawers: numbers of the people who drew them, from 1.
        alphabets: names of the alphabets.
    """

    images: Array
    characters: Array
    drawers: Array
    alphabets: tuple[str, ...]


def read_drawings(path: str | os.PathLike[str]) -> Drawings:
    """Read an official zip of drawings, such as ``images_background_small1.zip``, in the order of its names.

    Raises:
        TruncatedError: the zip ends too early.
        FormatError: it has no drawings, or one is no image of 105 by 105 pixels.
    """
    found = [(match, content) for name, content in members(path, suffix=".png") if (match := _DRAWING.search(name))]
    if not found:
        raise FormatError(f"{path} has no Omniglot drawings")
    return Drawings(
        images=np.stack([_png(content, match.string) for match, content in found]),
        characters=np.array([int(match["character"]) for match, _ in found]),
        drawers=np.array([int(match["drawer"]) for match, _ in found]),
        alphabets=tuple(match["alphabet"] for match, _ in found),
    )


@dataclass(frozen=True, slots=True)
class OneShotRun:
    """One run of the 20-way one-shot task.

    Attributes:
        training: one image per class, shape ``(20, 105, 105)``.
        test: the images to be classified, shape ``(20, 105, 105)``.
        answers: for each test image, the index of the training image of its class.
    """

    training: Array
    test: Array
    answers: Array


def read_one_shot(path: str | os.PathLike[str]) -> list[OneShotRun]:
    """Read the 20 runs of the one-shot task from ``all_runs.zip``.

    Raises:
        TruncatedError: the zip ends too early.
        FormatError: a run is not complete.
    """
    content = dict(members(path))
    runs = sorted({name.split("/")[0] for name in content if name.endswith("/class_labels.txt")})
    if not runs:
        raise FormatError(f"{path} has no runs of the one-shot task")
    return [_run(run, content) for run in runs]


def _run(run: str, content: dict[str, bytes]) -> OneShotRun:
    training = sorted(n for n in content if n.startswith(f"{run}/training/") and n.endswith(".png"))
    test = sorted(n for n in content if n.startswith(f"{run}/test/") and n.endswith(".png"))
    pairs = dict(line.split() for line in content[f"{run}/class_labels.txt"].decode().splitlines())
    if sorted(pairs) != test or not set(pairs.values()) <= set(training):
        raise FormatError(f"{run}: class_labels.txt does not fit the images")
    return OneShotRun(
        training=np.stack([_png(content[name], name) for name in training]),
        test=np.stack([_png(content[name], name) for name in test]),
        answers=np.array([training.index(pairs[name]) for name in test]),
    )


def _png(content: bytes, name: str) -> Array:
    from PIL import Image as PngImage  # only the official zips need it
    from PIL import UnidentifiedImageError

    try:
        with PngImage.open(io.BytesIO(content)) as image:
            pixels = np.asarray(image.convert("L"))
    except (UnidentifiedImageError, OSError) as error:
        raise FormatError(f"{name} is no image: {error}") from error
    if pixels.shape != (_SIDE, _SIDE):
        raise FormatError(f"{name} has {pixels.shape[0]} x {pixels.shape[1]} pixels")
    return (pixels == 0).astype(np.uint8)
