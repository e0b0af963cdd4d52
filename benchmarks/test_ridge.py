"""Kernel ridge regression over a grid of ridges: one reduction for all against a fit a ridge."""

import jax
import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge as Reference
from sklearn.model_selection import LeaveOneOut, cross_val_score

from reprise.kernels.ridge import KernelRidge, ridge_path

RIDGES = np.logspace(-4, 2, 30)


def problem(n, tests):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n + tests, 20))
    squares = (x * x).sum(axis=1)
    kernel = np.exp((2 * x @ x.T - squares[:, None] - squares) / 40)
    y = np.sin(x[:n, 0]) + 0.1 * rng.normal(size=n)
    return np.ascontiguousarray(kernel[:n, :n]), np.ascontiguousarray(kernel[n:, :n]), y


@pytest.fixture(scope="module")
def path_problem():
    return problem(2000, 500)


@pytest.fixture(scope="module")
def path_reference(path_problem):
    kernel, k_test, y = path_problem
    return k_test @ np.linalg.solve(kernel + RIDGES[7] * np.eye(len(y)), y)


def test_ridge_path_of_reprise(benchmark, path_problem, path_reference):
    kernel, k_test, y = path_problem
    path = benchmark.pedantic(
        lambda: jax.block_until_ready(ridge_path(kernel, y, k_test, RIDGES).predictions),
        rounds=3,
        warmup_rounds=1,
    )
    np.testing.assert_allclose(path[7], path_reference, rtol=1e-6, atol=1e-9)


def test_ridge_path_by_scikit_learn(benchmark, path_problem, path_reference):
    kernel, k_test, y = path_problem
    path = benchmark.pedantic(
        lambda: [Reference(alpha=ridge, kernel="precomputed").fit(kernel, y).predict(k_test) for ridge in RIDGES],
        rounds=3,
        warmup_rounds=1,
    )
    np.testing.assert_allclose(path[7], path_reference, rtol=1e-6, atol=1e-9)


def test_leave_one_out_of_reprise(benchmark):
    kernel, _, y = problem(400, 1)
    benchmark.pedantic(lambda: jax.block_until_ready(KernelRidge.fit(kernel, y).loo(RIDGES)), rounds=5, warmup_rounds=1)


def test_leave_one_out_by_scikit_learn(benchmark):
    """One ridge alone; a search over all thirty takes thirty times as long."""
    kernel, _, y = problem(400, 1)
    model = Reference(alpha=RIDGES[7], kernel="precomputed")
    scores = benchmark.pedantic(
        lambda: cross_val_score(model, kernel, y, cv=LeaveOneOut(), scoring="neg_mean_squared_error"),
        rounds=2,
        warmup_rounds=0,
    )
    np.testing.assert_allclose(-scores.mean(), KernelRidge.fit(kernel, y).loo(RIDGES[7:8])[0], rtol=1e-6)
