"""One process per GPU: runs on one machine wait for one another instead of sharing a card's memory."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

_WAIT_S = 0.5


def visible_gpus() -> list[str]:
    """The NVIDIA cards that a run may use: those of ``CUDA_VISIBLE_DEVICES``, else all; none if JAX is held to the CPU."""
    if os.environ.get("JAX_PLATFORMS", "").split(",")[0] == "cpu":
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    return sorted(path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))


@contextlib.contextmanager
def claim(folder: Path) -> Iterator[dict[str, str]]:
    """Wait for a free GPU and hold it; yields what the run's environment needs. Without a GPU, nothing at all."""
    gpus = visible_gpus()
    if not gpus:
        yield {}
        return
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context((folder / f".gpu-{gpu}.lock").open("a")) for gpu in gpus]
        while True:
            for gpu, stream in zip(gpus, streams, strict=True):
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    yield {"CUDA_VISIBLE_DEVICES": gpu}
                    return
            time.sleep(_WAIT_S)
