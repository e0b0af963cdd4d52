"""One file: its verification, its download, and what is done with a wrong one."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pooch

from reprise.datasets.errors import StorageError
from reprise.datasets.registry import File
from reprise.progress import task

_TIMEOUT_S = (10, 60)  # to connect, and between two pieces
_CHUNK = 1 << 16
_STALE_S = 24 * 3600


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
        FileNotFoundError: it is not there.
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


def set_aside(path: Path, damage: Damage, file: File) -> Path | None:
    """Rename a wrong file to ``<name>.rejected-<first 8 digits of its checksum>``.

    Returns:
        The new path; ``None`` if meanwhile another process has removed or replaced the file.

    Raises:
        StorageError: the folder cannot be written.
    """
    aside = _aside(path, damage)
    try:
        with _storage(path, "rename"):
            path.replace(aside)
            if examine(aside, file) is None:  # a right one, put there since it was examined
                aside.replace(path)
                return None
    except FileNotFoundError:
        return None
    return aside


def download(file: File, urls: Sequence[str], path: Path, *, label: str, progress: bool = True) -> Outcome:
    """Fetch a file from the first address that delivers it, into ``path``, whole or not at all.

    The content goes into a temporary file beside ``path``, which takes the name only once its checksum is right; it
    is removed on any failure, an interrupt included. Content with a wrong checksum is kept beside it under the name
    that :func:`set_aside` gives. An address that delivers wrong content, or only a part of it, is asked once more.
    Several processes may do this at once: each has its own temporary file, and the last to finish renames over equal
    content.

    Raises:
        StorageError: the folder cannot be written, or the disk is full.
    """
    outcome = Outcome()
    with _storage(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    for url in urls:
        for _ in range(2):
            with _temporary(path) as (temporary, stream):
                answered, problem = _receive(url, stream, path, file, label if progress else None)
                if problem is not None:
                    outcome.problems.append(f"{url}: {problem}")
                    if not answered:
                        break  # nobody there: the next address
                    continue
                outcome.damage = examine(temporary, file)
                if outcome.damage is None:
                    with _storage(path, "write"):
                        temporary.replace(path)
                    outcome.ok = True
                    return outcome
                aside = _aside(path, outcome.damage)
                with _storage(path, "write"):
                    temporary.replace(aside)
                outcome.problems.append(f"{url}: what it sends {outcome.damage.text}; kept as {aside}")
    return outcome


def _aside(path: Path, damage: Damage) -> Path:
    return path.with_name(f"{path.name}.rejected-{damage.sha256[:8]}")


def _receive(url: str, stream: IO[bytes], path: Path, file: File, label: str | None) -> tuple[bool, str | None]:
    """Write what ``url`` sends; whether it sends anything, and what went wrong."""
    report = task(label, file.bytes) if label is not None else nullcontext(lambda _: None)
    answered = False
    responses: list[Any] = []

    def inspect(response: Any, **_: Any) -> None:
        nonlocal answered
        responses.append(response)
        answered = bool(response.ok) and not response.is_redirect
        if file.name.endswith(".gz"):
            # Some servers declare a gzip file as an encoding, and requests would undo it.
            response.raw.headers.pop("Content-Encoding", None)

    fetcher = pooch.HTTPDownloader(
        progressbar=False,
        chunk_size=_CHUNK,
        timeout=_TIMEOUT_S,
        headers={"Accept-Encoding": "identity"},
        hooks={"response": inspect},
    )
    with report as advance:
        try:
            fetcher(url, _Guarded(stream, path, advance), None)
        except OSError as error:  # what requests raises is an OSError; what the disk raises is not any more
            return answered, _reason(error, file, answered=answered)
        finally:
            for response in responses:  # pooch leaves a connection open if its stream is not read to the end
                response.close()
    with _storage(path, "write"):
        os.fsync(stream.fileno())
        stream.close()
    return answered, None


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
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    with _storage(path, "write"):
        stream = temporary.open("xb")
    try:
        yield temporary, stream
    finally:
        with suppress(OSError):
            stream.close()
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    """Remove temporary files that a killed process left behind a day ago or earlier."""
    for left in path.parent.glob(f".{path.name}.*.part"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE_S:
                left.unlink()


@contextmanager
def _storage(path: Path, verb: str) -> Iterator[None]:
    """Turn a refusal of the disk into an error that says what to do."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) and verb != "write":
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


def _reason(error: Exception, file: File, *, answered: bool) -> str:
    """Why an address did not deliver, in a few words."""
    response: Any = getattr(error, "response", None)
    if response is not None:
        return f"answers {response.status_code} {response.reason}"
    if answered:
        return "breaks off before the end" + (f" of {file.bytes} bytes" if file.bytes else "")
    text = f"{type(error).__name__}: {error}"
    return "no answer: " + (text if len(text) <= 200 else text[:197] + "…")
