"""Linear algebra on one thread: matrices here are small, and BLAS threads that wait for a busy core cost far more than they save.

On a machine with other work an eigendecomposition of 128 x 128 takes a hundred times longer on two threads than on one.
"""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
R = TypeVar("R")


@cache
def _controller() -> Any:
    return ThreadpoolController()


def one_thread() -> Any:
    """A context in which BLAS uses one thread."""
    return _controller().limit(limits=1, user_api="blas")


def on_one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function run with one BLAS thread."""

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with one_thread():
            return function(*args, **kwargs)

    return limited
