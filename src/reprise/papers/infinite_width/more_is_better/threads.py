"""Threads of the linear algebra beneath."""

from contextlib import AbstractContextManager
from typing import Any

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

__all__ = ["one_blas_thread"]


def one_blas_thread() -> AbstractContextManager[Any]:
    """Run LAPACK on one thread: at these sizes, and beside other processes, threads cost more than they gain."""
    return threadpool_limits(1, user_api="blas")  # type: ignore[no-any-return, unused-ignore]
