"""ZIP files and NumPy's archives, read with checks and without running anything that they hold."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from reprise.datasets.dataset import Array
from reprise.datasets.errors import FormatError, TruncatedError

_ZIP_START = (b"PK\x03\x04", b"PK\x05\x06")


def members(path: str | os.PathLike[str], *, suffix: str = "") -> Iterator[tuple[str, bytes]]:
    """The files in a ZIP archive whose names end in ``suffix``, sorted by name, with their contents.

    Raises:
        TruncatedError: the archive ends before its table of contents, or a file in it is cut off.
        FormatError: it is no ZIP archive, or a file in it is damaged.
    """
    with _opened(path) as archive:
        for info in sorted(archive.infolist(), key=lambda i: i.filename):
            if not info.is_dir() and info.filename.endswith(suffix):
                yield info.filename, _content(archive, info, path)


def read_npz(path: str | os.PathLike[str], names: Sequence[str]) -> dict[str, Array]:
    """Read arrays from a ``.npz`` archive; pickled objects are refused.

    Raises:
        TruncatedError: the archive ends too early.
        FormatError: it is no archive of arrays, or one of ``names`` is not in it.
    """
    _opened(path).close()
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive.files]
            if missing:
                raise FormatError(f"{path} has no array {missing[0]}, only {', '.join(archive.files)}")
            return {name: archive[name] for name in names}
    except (ValueError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise FormatError(f"{path}: damaged archive of arrays ({error})") from error


def _opened(path: str | os.PathLike[str]) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        with Path(path).open("rb") as stream:
            start = stream.read(4)
        if start in _ZIP_START:
            raise TruncatedError(f"{path}: the ZIP archive ends before its table of contents") from error
        raise FormatError(f"{path} is no ZIP archive") from error


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str | os.PathLike[str]) -> bytes:
    try:
        return archive.read(info)
    except EOFError as error:
        raise TruncatedError(f"{path}: {info.filename} is cut off") from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise FormatError(f"{path}: {info.filename} is damaged ({error})") from error
