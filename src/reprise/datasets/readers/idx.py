"""The IDX format of MNIST and its relatives: a big-endian header, then the values."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from reprise.datasets.dataset import Array
from reprise.datasets.errors import FormatError, TruncatedError
from reprise.datasets.options import ImageOptions
from reprise.datasets.readers import Part, Paths, Raw
from reprise.datasets.registry import Entry, Image

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def options(_: Entry) -> type[ImageOptions]:
    """Images with an official test part."""
    return ImageOptions


def read(entry: Entry, chosen: Any, paths: Paths) -> Raw:
    """Read the files of the parts that are wanted."""
    parts = {}
    for part in ("train", "test"):
        if chosen.part not in {"both", part}:
            continue
        names = [file.name for file in entry.files if file.part == part]
        images = next(name for name in names if "images" in name)
        labels = next(name for name in names if "labels" in name)
        found = paths([images, labels])
        x, y = read_idx(found[images], ndim=3), read_idx(found[labels], ndim=1)
        if len(x) != len(y):
            raise FormatError(f"{entry.name}: {images} has {len(x)} images, {labels} {len(y)} labels")
        parts[part] = Part(x, y.astype(np.int64), np.arange(len(x)))
    train = parts.get("train") or parts["test"]
    test = parts.get("test") if chosen.part == "both" else None
    shape = train.x.shape
    empty = Part(train.x[:0], train.y[:0], train.rows[:0])
    return Raw(train, test or empty, Image(height=shape[1], width=shape[2], maximum=255.0))


def read_idx(path: str | os.PathLike[str], *, ndim: int | None = None) -> Array:
    """Read one IDX file, plain or gzipped.

    The header is two zero bytes, a code of the type, the number ``d`` of axes, and ``d`` lengths as 32-bit integers,
    all big-endian; the values follow in C order.

    Args:
        path: the file.
        ndim: the number of axes that it must have.

    Returns:
        An array in the byte order of this machine.

    Raises:
        TruncatedError: the gzip stream or the values end too early.
        FormatError: no IDX file, another number of axes, or something behind the values.
    """
    content = _content(Path(path))
    if len(content) < 4:
        raise TruncatedError(f"{path}: {len(content)} bytes are no IDX header")
    zero, code, axes = struct.unpack_from(">HBB", content)
    if zero != 0 or code not in _TYPES:
        raise FormatError(f"{path} is no IDX file: it starts with {content[:4].hex(' ')}")
    if ndim is not None and axes != ndim:
        raise FormatError(f"{path} has {axes} axes and should have {ndim}")
    start = 4 + 4 * axes
    if len(content) < start:
        raise TruncatedError(f"{path}: the IDX header ends after {len(content)} of {start} bytes")
    shape = struct.unpack_from(f">{axes}I", content, 4)
    dtype = np.dtype(_TYPES[code])
    expected = start + dtype.itemsize * int(np.prod(shape, dtype=object))
    if len(content) < expected:
        raise TruncatedError(f"{path}: {len(content)} of {expected} bytes, as its header counts them")
    if len(content) > expected:
        raise FormatError(f"{path}: {len(content) - expected} bytes too many behind the values")
    values = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return values.astype(dtype.newbyteorder("="))


def _content(path: Path) -> bytes:
    raw = path.read_bytes()
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except EOFError as error:
        raise TruncatedError(f"{path}: the gzip stream ends too early") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FormatError(f"{path}: damaged gzip stream ({error})") from error
