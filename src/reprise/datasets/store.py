"""Where the files of the data sets are: found, verified, fetched, checked.

A file is looked for in three places, and taken from none without its SHA-256 being right:

1. ``REPRISE_DATA_DIR``, a folder of folders (``mnist/train-images-idx3-ubyte.gz`` and so on). It may be read-only;
   nothing in it is ever written, renamed or removed.
2. The cache: ``REPRISE_CACHE_DIR``, or the user's cache folder as pooch knows it.
3. The official address, then the mirrors; what arrives goes into the cache.

This module imports no JAX and no NumPy.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pooch

from reprise.datasets import registry
from reprise.datasets.errors import (
    ChecksumError,
    DataError,
    DataWarning,
    TruncatedError,
    UnreachableError,
)
from reprise.datasets.registry import Entry, File
from reprise.datasets.transfer import Damage, download, examine, set_aside
from reprise.progress import task

DATA_DIR = "REPRISE_DATA_DIR"
CACHE_DIR = "REPRISE_CACHE_DIR"

Place = Literal["folder", "cache", "fetched"]
State = Literal["complete", "partial", "absent", "damaged"]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A verified file and where it was found."""

    name: str
    path: Path
    place: Place
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        return {**asdict(self), "path": str(self.path)}


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What a check found about one file; ``detail`` is empty if it is right."""

    name: str
    path: Path
    ok: bool
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        return {**asdict(self), "path": str(self.path)}


@dataclass(frozen=True, slots=True)
class Check:
    """What a check found about one data set.

    Attributes:
        name: the data set.
        folder: where its files were looked for.
        state: ``complete``; ``partial`` (some files are not there, those that are there are right); ``absent``; or
            ``damaged`` (at least one file is wrong).
        files: one entry per file of the registry that is there.
        missing: names of the files that are not there.
        set_aside: files that failed an earlier check and were renamed.
    """

    name: str
    folder: Path
    state: State
    files: tuple[FileCheck, ...]
    missing: tuple[str, ...]
    set_aside: tuple[Path, ...]

    @property
    def ok(self) -> bool:
        """Whether no file is wrong; missing files are no fault."""
        return self.state != "damaged"

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        return {
            "name": self.name,
            "folder": str(self.folder),
            "state": self.state,
            "ok": self.ok,
            "files": [file.to_json() for file in self.files],
            "missing": list(self.missing),
            "set_aside": [str(path) for path in self.set_aside],
        }


def data_dir() -> Path | None:
    """The folder that ``REPRISE_DATA_DIR`` names, or ``None``.

    Raises:
        DataError: it names something that is not a folder.
    """
    value = os.environ.get(DATA_DIR)
    if not value:
        return None
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise DataError(f"{DATA_DIR} is set to {folder}, which is not a folder: correct it or unset it")
    return folder


def cache_dir() -> Path:
    """The folder that fetched files go into."""
    value = os.environ.get(CACHE_DIR)
    base = Path(value).expanduser() if value else Path(pooch.os_cache("reprise"))
    return base / "data"


def catalogue() -> list[Entry]:
    """Everything that the registry knows, by name.

    >>> [entry.name for entry in catalogue() if entry.reader == "idx"]
    ['fashion-mnist', 'kmnist', 'mnist']
    """
    return list(registry.entries())


def fetch(data_set: str | Entry, *, files: Iterable[str] | None = None, progress: bool = True) -> list[Fetched]:
    """Make sure that the files of a data set are on this machine and right.

    Args:
        data_set: its name, or an entry.
        files: names of the files wanted; all of them by default.
        progress: whether to report downloads to :mod:`reprise.progress`.

    Returns:
        One item per file, in the order asked for; empty for a bundled or generated set.

    Raises:
        UnknownDatasetError: there is no such set.
        UnreachableError: a file is neither here nor to be had; says where to put it.
        ChecksumError: every source delivers something else than expected.
        TruncatedError: every source ends too early.
        StorageError: the cache cannot be written.
    """
    entry = data_set if isinstance(data_set, Entry) else registry.find(data_set)
    wanted = entry.files if files is None else [entry.file(name) for name in files]
    return [_obtain(entry, file, progress=progress) for file in wanted]


def located(data_set: str | Entry) -> str:
    """Where the files of a set would come from, judged by name alone: nothing is read.

    Returns:
        ``bundled``, ``generated``, ``folder``, ``cache``, or ``address`` if at least one file has to be fetched.
    """
    entry = data_set if isinstance(data_set, Entry) else registry.find(data_set)
    needed = [file for file in entry.files if file.part != "extra"]
    if not entry.files or entry.folder is None:
        return "generated" if entry.reader == "generated" else "bundled"
    folder = data_dir()
    places = set()
    for file in needed:
        if folder is not None and (folder / entry.folder / file.name).is_file():
            places.add("folder")
        elif (cache_dir() / entry.folder / file.name).is_file():
            places.add("cache")
        else:
            return "address"
    return "folder" if places == {"folder"} else "cache"


def check(folder: str | os.PathLike[str] | None = None, *, progress: bool = True) -> list[Check]:
    """Verify every file of every set that lies in a folder; nothing is changed or fetched.

    Args:
        folder: the folder of folders; by default ``REPRISE_DATA_DIR``, and without it the cache.
        progress: whether to report to :mod:`reprise.progress`.

    Raises:
        DataError: the folder does not exist.
    """
    base = Path(folder).expanduser() if folder is not None else data_dir() or cache_dir()
    if folder is not None and not base.is_dir():
        raise DataError(f"{base} is not a folder")
    listed = [entry for entry in registry.entries() if entry.files]
    if not progress:
        return [_check(entry, base) for entry in listed]
    with task(f"checking {base}", sum(len(entry.files) for entry in listed)) as advance:
        results = []
        for entry in listed:
            results.append(_check(entry, base))
            advance(len(entry.files))
    return results


def _check(entry: Entry, base: Path) -> Check:
    folder = base / str(entry.folder)
    found: list[FileCheck] = []
    missing: list[str] = []
    for file in entry.files:
        path = folder / file.name
        if not path.is_file():
            missing.append(file.name)
            continue
        damage = examine(path, file)
        found.append(FileCheck(file.name, path, damage is None, damage.text if damage else ""))
    if any(not file.ok for file in found):
        state: State = "damaged"
    elif not missing:
        state = "complete"
    else:
        state = "partial" if found else "absent"
    aside = sorted(folder.glob("*.rejected-*")) if folder.is_dir() else []
    return Check(entry.name, folder, state, tuple(found), tuple(missing), tuple(aside))


def _obtain(entry: Entry, file: File, *, progress: bool) -> Fetched:
    relative = Path(str(entry.folder)) / file.name
    passed_over: list[str] = []
    damage: Damage | None = None

    folder = data_dir()
    if folder is not None and (folder / relative).is_file():
        path = folder / relative
        damage = examine(path, file)
        if damage is None:
            return Fetched(file.name, path, "folder", file.sha256)
        passed_over.append(f"{path} {damage.text}; it is left untouched")

    path = cache_dir() / relative
    if path.is_file():
        try:
            cached = examine(path, file)
        except FileNotFoundError:  # another process has set it aside just now
            cached = None
        else:
            if cached is None:
                _warn(passed_over)
                return Fetched(file.name, path, "cache", file.sha256)
        if cached is not None:
            damage = cached
            aside = set_aside(path, cached, file)
            if aside is not None:
                passed_over.append(f"{path} {cached.text}; it was set aside as {aside.name}")

    _warn(passed_over)
    label = f"{entry.name}: {file.name}"
    outcome = download(file, entry.urls(file), path, label=label, progress=progress)
    if outcome.ok:
        return Fetched(file.name, path, "fetched", file.sha256)
    raise _failure(entry, file, [*passed_over, *outcome.problems], outcome.damage or damage)


def _failure(entry: Entry, file: File, problems: list[str], damage: Damage | None) -> DataError:
    size = f", {file.bytes} bytes" if file.bytes else ""
    places = f"{cache_dir() / str(entry.folder)}"
    folder = data_dir()
    if folder is not None:
        places = f"{folder / str(entry.folder)} or {places}"
    message = "\n".join(
        [
            f"{entry.name}: the file {file.name} could not be had.",
            *(f"  - {problem}" for problem in problems),
            f"Download it from {entry.urls(file)[0]}",
            f"and put it into {places}",
            f"(sha256 {file.sha256}{size}).",
            *([] if folder is not None else [f"Or set {DATA_DIR} to a folder that has {entry.folder}/{file.name}."]),
        ]
    )
    if damage is None:
        return UnreachableError(message)
    return TruncatedError(message) if damage.truncated else ChecksumError(message)


def _warn(passed_over: list[str]) -> None:
    for text in passed_over:
        warnings.warn(text, DataWarning, stacklevel=4)
