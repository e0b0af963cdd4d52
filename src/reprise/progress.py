"""Progress of long computations: one mechanism for notebooks, the runner and the terminal.

Inside a run (``REPRISE_RUN_DIR`` is set) the current state goes to ``progress.json`` of the run folder, from where
``reprise run`` shows it; on a terminal it becomes a line on standard error; elsewhere it costs nothing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")
_INTERVAL_S = 0.2


class _Reporter:
    """Writes the state of one task, at most a few times a second."""

    def __init__(self, label: str, total: int | None) -> None:
        self.label, self.total, self.done = label, total, 0
        self.started = time.monotonic()
        self._last = 0.0
        folder = os.environ.get("REPRISE_RUN_DIR")
        self._file = Path(folder) / "progress.json" if folder else None
        self._line = self._file is None and sys.stderr.isatty()

    def advance(self, steps: int = 1) -> None:
        self.done += steps
        now = time.monotonic()
        if now - self._last >= _INTERVAL_S:
            self._last = now
            self.show()

    def show(self) -> None:
        if self._file is not None:
            state = {"label": self.label, "done": self.done, "total": self.total}
            temporary = self._file.with_suffix(f".{os.getpid()}.tmp")
            try:
                temporary.write_text(json.dumps(state))
                temporary.replace(self._file)
            except OSError:
                self._file = None  # a full disk must not end a computation over a progress bar
        elif self._line:
            share = f"{self.done}/{self.total}" if self.total else str(self.done)
            seconds = time.monotonic() - self.started
            sys.stderr.write(f"\r\033[K{self.label}: {share} ({seconds:.0f} s)")
            sys.stderr.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.unlink(missing_ok=True)
        elif self._line:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


@contextmanager
def task(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Report a task of ``total`` steps; yields a function that is told how many more are done.

    >>> with task("Gram matrix", total=3) as advance:
    ...     for _ in range(3):
    ...         advance(1)
    """
    reporter = _Reporter(label, total)
    reporter.show()
    try:
        yield reporter.advance
    finally:
        reporter.close()


def track(iterable: Iterable[_T], label: str, total: int | None = None) -> Iterator[_T]:
    """Go through ``iterable`` and report how far it is; ``total`` defaults to its length if it has one.

    >>> list(track([1, 2, 3], "widths"))
    [1, 2, 3]
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    with task(label, total) as advance:
        for item in iterable:
            yield item
            advance(1)
