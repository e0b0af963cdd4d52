"""Independent jobs on all cores: each is one compiled program, which a small network does not spread over cores."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import jax

from reprise import progress

_A = TypeVar("_A")
_B = TypeVar("_B")


def use_one_core_each() -> None:
    """Let each compiled program use one core, so that several run side by side; before JAX is first used in a process.

    Spread over two cores, the small operations of these networks take several times as long as on one. XLA counts the
    cores that it may use when it starts, and later programs are run by the thread that asks for them. Where there is an
    NVIDIA GPU nothing is changed.
    """
    if not hasattr(os, "sched_setaffinity") or Path("/dev/nvidiactl").exists():
        return
    cores = os.sched_getaffinity(0)
    jax.config.update("jax_cpu_enable_async_dispatch", val=False)
    os.sched_setaffinity(0, {max(cores)})
    try:
        jax.devices()
    finally:
        os.sched_setaffinity(0, cores)


def run(function: Callable[[_A], _B], jobs: Sequence[_A], label: str) -> list[_B]:
    """Results in the order of the jobs; the first runs alone, so that what it compiles is there for the others.

    On an accelerator one job runs after another.

    >>> run(lambda n: n**2, [1, 2, 3], "squares")
    [1, 4, 9]
    """
    workers = min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if jax.default_backend() != "cpu":
        workers = 1
    with progress.task(label, total=len(jobs)) as advance:
        results = [function(job) for job in jobs[:1]]
        advance(len(results))
        with ThreadPoolExecutor(workers) as pool:
            for result in pool.map(function, jobs[1:]):
                results.append(result)
                advance(1)
    return results
