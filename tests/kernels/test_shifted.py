"""The reduction to a band: orthogonal, right at any size and bandwidth, and as accurate as a direct solve."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprise.kernels.shifted import reduce_to_band

RNG = np.random.default_rng(0)


def positive(n, seed=0):
    root = np.random.default_rng(seed).normal(size=(n, n))
    return root @ root.T + np.eye(n)


def dense(form):
    """The band matrix and Q, written out."""
    width, n = form.band.shape
    lower = sum((np.diag(form.band[d, : n - d], -d) for d in range(min(width, n))), np.zeros((n, n)))
    q = np.eye(n)
    for start, v, t in reversed(form.reflectors):
        q[start:] -= v @ (t @ (v.T @ q[start:]))
    return lower + np.tril(lower, -1).T, q


@given(n=st.integers(1, 40), bandwidth=st.integers(1, 45))
@settings(max_examples=60)
def test_similar_by_an_orthogonal_matrix(n, bandwidth):
    matrix = positive(n, seed=n)
    form = reduce_to_band(matrix, bandwidth=bandwidth)
    band, q = dense(form)
    np.testing.assert_allclose(q.T @ q, np.eye(n), atol=1e-13)
    np.testing.assert_allclose(q @ band @ q.T, matrix, atol=1e-12 * np.abs(matrix).max())
    assert np.abs(np.triu(band, bandwidth + 1)).max(initial=0) == 0


@pytest.mark.parametrize("n", [5, 64, 65, 127, 128, 129, 200])
def test_solutions_against_a_direct_solver(n):
    matrix, y, shifts = positive(n), RNG.normal(size=(n, 2)), np.array([0.0, 0.1, 30.0])
    solved = reduce_to_band(matrix).solve(y, shifts)
    assert solved.shape == (3, n, 2)
    for number, shift in enumerate(shifts):
        expected = np.linalg.solve(matrix + shift * np.eye(n), y)
        np.testing.assert_allclose(solved[number], expected, rtol=1e-7, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize(
    "matrix",
    [
        np.diag(np.arange(1.0, 31.0)),
        np.eye(30),
        np.kron(np.eye(2), positive(15)),
        np.diag(np.full(30, 4.0)) + np.diag(np.ones(29), 1) + np.diag(np.ones(29), -1),
        np.ones((30, 30)) + np.eye(30),
    ],
    ids=["diagonal", "identity", "blocks", "tridiagonal", "rank one"],
)
def test_matrices_with_nothing_to_eliminate(matrix):
    """Reflections that are the identity, alone and among others."""
    y = RNG.normal(size=(30, 1))
    for bandwidth in (1, 2, 7, 64):
        solved = reduce_to_band(matrix, bandwidth=bandwidth).solve(y, np.array([0.5]))
        np.testing.assert_allclose(solved[0], np.linalg.solve(matrix + 0.5 * np.eye(30), y), rtol=1e-10)


def test_ill_conditioned():
    """Eigenvalues over twelve decades: the residual stays at rounding level, as after Cholesky."""
    q = np.linalg.qr(RNG.normal(size=(150, 150)))[0]
    matrix = q * np.logspace(0, -12, 150) @ q.T
    y = RNG.normal(size=(150, 1))
    weights = reduce_to_band((matrix + matrix.T) / 2).solve(y, np.array([1e-10]))[0]
    residual = matrix @ weights + 1e-10 * weights - y
    assert np.linalg.norm(residual) < 1e-13 * np.linalg.norm(weights)


def test_inputs_stay_as_they_were():
    matrix, y = positive(70), RNG.normal(size=(70, 1))
    kept = matrix.copy(), y.copy()
    reduce_to_band(matrix).solve(y, np.ones(1))
    np.testing.assert_array_equal(matrix, kept[0])
    np.testing.assert_array_equal(y, kept[1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reduce_to_band(np.ones((3, 4))), r"square, got shape \(3, 4\)"),
        (lambda: reduce_to_band(np.eye(3), bandwidth=0), "at least 1"),
        (lambda: reduce_to_band(np.eye(3)).solve(np.ones(3), np.ones(1)), r"y must have shape \(3, columns\)"),
        (lambda: reduce_to_band(-np.eye(3)).solve(np.ones((3, 1)), np.ones(1) / 2), "not positive definite"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
