"""The limit holds inside, is lifted outside, and changes no result."""

import numpy as np
import scipy.linalg  # loads the BLAS that SciPy brings
from threadpoolctl import threadpool_info

from reprise.kernels.threads import on_one_thread, one_thread


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_a_limited_function_sees_one_thread_and_its_caller_what_it_had():
    before = blas_threads()
    assert before
    assert set(on_one_thread(blas_threads)()) == {1}
    assert blas_threads() == before


def test_the_limit_is_lifted_after_an_error():
    before = blas_threads()
    try:
        with one_thread():
            scipy.linalg.cholesky(-np.eye(2))
    except np.linalg.LinAlgError:
        pass
    assert blas_threads() == before
