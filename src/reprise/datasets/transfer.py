"""One file: its verification, its download, and what is done with a wrong one."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pooch

from reprise.datasets.errors import StorageError
from reprise.datasets.registry import File
from reprise.progress import task

_TIMEOUT_S = 30
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Damage:
    """What is wrong with a file's content."""

    text: str
    sha256: str
    truncated: bool


@dataclass(slots=True)
class Outcome:
    """How a download went: what every attempt that failed says, and the last damage seen."""

    ok: bool = False
    problems: list[str] = field(default_factory=list)
    damage: Damage | None = None


def examine(path: Path, file: File) -> Damage | None:
    """Compare a file on disk with the registry; ``None`` if it is right.

    Raises:
        StorageError: it cannot be read.
    """
    with _storage(path, "read"), path.open("rb") as stream:
        actual = hashlib.file_digest(stream, "sha256").hexdigest()
        size = os.fstat(stream.fileno()).st_size
    if actual == file.sha256:
        return None
    if file.bytes is not None and size < file.bytes:
        text = f"is truncated: {size} of {file.bytes} bytes"
        return Damage(text, actual, truncated=True)
    text = f"has sha256 {actual} ({size} bytes) and not {file.sha256}"
    return Damage(text, actual, truncated=False)


def set_aside(path: Path, damage: Damage) -> Path:
    """Rename a wrong file to ``<name>.rejected-<first 8 digits of its checksum>`` and return that path.

    Raises:
        StorageError: the folder cannot be written.
    """
    aside = path.with_name(f"{path.name}.rejected-{damage.sha256[:8]}")
    with _storage(path, "rename"), suppress(FileNotFoundError):
        path.replace(aside)
    return aside


def download(file: File, urls: Sequence[str], path: Path, *, label: str, progress: bool = True) -> Outcome:
    """Fetch a file from the first address that delivers it, into ``path``, whole or not at all.

    The content goes into a temporary file beside ``path``, which takes the name only once its checksum is right; it
    is removed on any failure, an interrupt included. Content with a wrong checksum is kept beside it under the name
    that :func:`set_aside` gives, and its address is asked once more. Several processes may do this at once.

    Raises:
        StorageError: the folder cannot be written, or the disk is full.
    """
    outcome = Outcome()
    with _storage(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
    for url in urls:
        for _ in range(2):
            outcome.damage = None
            with _temporary(path) as (temporary, stream):
                problem = _receive(url, stream, path, file, label if progress else None)
                if problem is not None:
                    outcome.problems.append(f"{url}: {problem}")
                    break
                damage = examine(temporary, file)
                if damage is None:
                    with _storage(path, "write"):
                        temporary.replace(path)
                    outcome.ok = True
                    return outcome
                aside = path.with_name(f"{path.name}.rejected-{damage.sha256[:8]}")
                with _storage(path, "rename"):
                    temporary.replace(aside)
            outcome.problems.append(f"{url}: what it delivers {damage.text}; kept as {aside}")
            outcome.damage = damage
    return outcome


def _receive(url: str, stream: IO[bytes], path: Path, file: File, label: str | None) -> str | None:
    """Write what ``url`` delivers; the reason if it delivers nothing."""
    report = task(label, file.bytes) if label is not None else nullcontext(lambda _: None)
    with report as advance:
        fetcher = pooch.HTTPDownloader(
            progressbar=False,
            chunk_size=_CHUNK,
            timeout=_TIMEOUT_S,
            headers={"Accept-Encoding": "identity"},
        )
        try:
            fetcher(url, _Guarded(stream, path, advance), None)
        except StorageError:
            raise
        except OSError as error:  # what requests raises is an OSError
            return _reason(error)
    with _storage(path, "write"):
        stream.flush()
        os.fsync(stream.fileno())
        stream.close()
    return None


class _Guarded:
    """A stream whose failures to write are told from failures of the network, both being ``OSError``."""

    def __init__(self, stream: IO[bytes], path: Path, advance: Callable[[int], None]) -> None:
        self._stream, self._path, self._advance = stream, path, advance

    def write(self, data: bytes) -> int:
        with _storage(self._path, "write"):
            written = self._stream.write(data)
        self._advance(len(data))
        return written

    def flush(self) -> None:
        with _storage(self._path, "write"):
            self._stream.flush()


@contextmanager
def _temporary(path: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file beside ``path`` that is gone afterwards, unless it was renamed."""
    with _storage(path, "write"):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            _share(temporary)
            yield temporary, stream
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _share(temporary: Path) -> None:
    """Give a temporary file the permissions of an ordinary new file, so that a shared cache can be read."""
    mask = os.umask(0)
    os.umask(mask)
    with suppress(OSError):
        temporary.chmod(0o666 & ~mask)


@contextmanager
def _storage(path: Path, verb: str) -> Iterator[None]:
    """Turn a refusal of the disk into an error that says what to do."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) and verb == "rename":
            raise
        raise StorageError(_refusal(path, verb, error)) from error


def _refusal(path: Path, verb: str, error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return (
            f"no space left for {path}: free some, or set REPRISE_CACHE_DIR to a folder on another disk "
            "(nothing was left half-written)"
        )
    reason = os.strerror(error.errno) if error.errno else str(error)
    advice = "make it readable" if verb == "read" else "set REPRISE_CACHE_DIR to a folder that you can write"
    return f"cannot {verb} {path} ({reason}): {advice}"


def _reason(error: Exception) -> str:
    """Why an address delivered nothing, in a few words."""
    response: Any = getattr(error, "response", None)
    if response is not None:
        return f"answers {response.status_code} {response.reason}"
    text = f"{type(error).__name__}: {error}"
    return "no answer: " + (text if len(text) <= 200 else text[:197] + "…")
