"""Tells every few seconds what the running notebooks are at, from the progress files that they leave."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path


class Heartbeat:
    """A thread that prints one line an interval while notebooks run, and nothing when none does."""

    def __init__(self, runs: Path, profile: str, interval: float = 15.0) -> None:
        self._runs, self._profile, self._interval = runs, profile, interval
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._started = time.monotonic()

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def stop(self) -> None:
        """End, at once."""
        self._stopped.set()

    def line(self) -> str:
        """What is going on now, or an empty text."""
        states = []
        for file in sorted(self._runs.glob(f"*/{self._profile}*/progress.json")):
            try:
                state = json.loads(file.read_text())
            except (OSError, ValueError):
                continue  # it has just been replaced or taken away
            share = f"{state['done']}/{state['total']}" if state["total"] else str(state["done"])
            states.append(f"{file.parent.parent.name}: {state['label']} {share}")
        return f"  {time.monotonic() - self._started:4.0f} s  {' · '.join(states)}" if states else ""

    def _beat(self) -> None:
        while not self._stopped.wait(self._interval):
            if line := self.line():
                print(line, file=sys.stderr, flush=True)
