"""Linear algebra on one thread: for small matrices, threads that wait for a busy core cost more than they save.

On a machine with other work an eigendecomposition of 128 x 128 takes a hundred times longer on two threads than on one.
"""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

__all__ = ["on_one_thread", "one_thread"]

P = ParamSpec("P")
R = TypeVar("R")


@cache
def _controller() -> Any:
    return ThreadpoolController()


def one_thread() -> Any:
    """A context in which the BLAS beneath NumPy and SciPy uses one thread."""
    return _controller().limit(limits=1, user_api="blas")


def on_one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function run with one BLAS thread."""

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with one_thread():
            return function(*args, **kwargs)

    return limited
