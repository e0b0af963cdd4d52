"""Experiments beside one another: while one compiles or draws a figure, which takes one core, the next can use another."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import jax

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Queue:
    """Computations that go on beside what follows them, one after another in the order in which they were started.

    On an accelerator, which one program fills, `start` computes at once and returns when it is done.

    >>> later = Queue()
    >>> power, quotient = later.start(pow, 2, 3), later.start(divmod, 7, 2)
    >>> power.result(), quotient.result()
    (8, (3, 1))
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="background")

    def start(self, function: Callable[_P, _R], *args: _P.args, **options: _P.kwargs) -> "Future[_R]":
        """Begin `function(*args, **options)` once all that was started before is done.

        Its `result()` waits for the value, and raises what the function raised.
        """
        future = self._thread.submit(function, *args, **options)
        if jax.default_backend() != "cpu":
            future.exception()
        return future
