"""Ridge paths against scikit-learn, explicit inverses and explicit leave-one-out refits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.kernel_ridge import KernelRidge as Reference

from reprise.kernels.ridge import KernelRidge, ridge_path

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(30, 4))
TESTS = RNG.normal(size=(9, 4))
RIDGES = np.logspace(-4, 2, 7)


def kernel(a, b):
    return np.exp(-((a[:, None] - b[None]) ** 2).sum(-1) / 8)


K, K_TEST = kernel(POINTS, POINTS), kernel(TESTS, POINTS)
Y = {1: RNG.normal(size=30), 2: RNG.normal(size=(30, 3))}


@pytest.mark.parametrize("rank", [1, 2])
def test_path_against_scikit_learn(rank):
    model = KernelRidge.fit(K, Y[rank])
    path = model.path(K_TEST, RIDGES)
    train = model.train_error(RIDGES)
    for number, ridge in enumerate(RIDGES):
        reference = Reference(alpha=ridge, kernel="precomputed").fit(K, Y[rank])
        np.testing.assert_allclose(path[number], reference.predict(K_TEST), rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(model.predict(K_TEST, ridge), path[number], rtol=1e-8)
        residual = (reference.predict(K) - Y[rank]).reshape(30, -1)
        np.testing.assert_allclose(train[number], (residual**2).sum(1).mean(), rtol=1e-6)


@pytest.mark.parametrize("rank", [1, 2])
def test_fast_path_is_the_same(rank):
    model, fast = KernelRidge.fit(K, Y[rank]), ridge_path(K, Y[rank], K_TEST, RIDGES)
    np.testing.assert_allclose(fast.predictions, model.path(K_TEST, RIDGES), rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(fast.train_error, model.train_error(RIDGES), rtol=1e-7)
    for number, ridge in enumerate(RIDGES):
        reference = Reference(alpha=ridge, kernel="precomputed").fit(K, Y[rank])
        np.testing.assert_allclose(fast.predictions[number], reference.predict(K_TEST), rtol=1e-7, atol=1e-10)


def test_many_test_points_take_the_other_order():
    model = KernelRidge.fit(K, Y[2])
    many = np.repeat(K_TEST, 4, axis=0)
    np.testing.assert_allclose(model.path(many, RIDGES)[:, ::4], model.path(K_TEST, RIDGES), rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("ridge", [1e-3, 0.1, 10.0])
def test_leave_one_out_against_refits(rank, ridge):
    refitted = []
    for out in range(30):
        keep = np.arange(30) != out
        weights = np.linalg.solve(K[np.ix_(keep, keep)] + ridge * np.eye(29), Y[rank][keep])
        refitted.append(Y[rank][out] - K[out, keep] @ weights)
    model = KernelRidge.fit(K, Y[rank])
    np.testing.assert_allclose(model.loo_residuals(ridge), refitted, rtol=1e-8, atol=1e-10)
    expected = (np.array(refitted).reshape(30, -1) ** 2).sum(1).mean()
    np.testing.assert_allclose(model.loo(np.array([ridge])), [expected], rtol=1e-9)


def test_kappa_and_degrees_of_freedom_against_inverses():
    model = KernelRidge.fit(K, Y[1])
    inverses = [np.linalg.inv(K + ridge * np.eye(30)) for ridge in RIDGES]
    np.testing.assert_allclose(model.kappa(RIDGES), [1 / np.trace(i) for i in inverses], rtol=1e-8)
    np.testing.assert_allclose(model.kappa(RIDGES[2]), 1 / np.trace(inverses[2]), rtol=1e-8)
    np.testing.assert_allclose(model.degrees_of_freedom(RIDGES), [np.trace(K @ i) for i in inverses], rtol=1e-8)


def test_ridge_zero_interpolates():
    model = KernelRidge.fit(K, Y[2])
    np.testing.assert_allclose(model.predict(K, 0.0), Y[2], atol=1e-8)
    assert model.train_error(np.zeros(1))[0] < 1e-25


def test_singular_matrix_means_least_norm():
    """Three points in one dimension and a linear kernel: the pseudo-inverse, also where eigenvalues round below 0."""
    x = np.array([1.0, 2.0, 3.0])
    k, y = np.outer(x, x), np.array([1.0, 0.0, 2.0])
    model = KernelRidge.fit(k, y)
    slope = x @ y / (x @ x)
    np.testing.assert_allclose(model.predict(k, 0.0), slope * x, rtol=1e-12)
    np.testing.assert_allclose(model.train_error(np.zeros(1)), ((slope * x - y) ** 2).mean(), rtol=1e-12)
    assert (model.eigenvalues >= 0).all()
    assert model.kappa(0.0) == 0
    np.testing.assert_allclose(model.degrees_of_freedom(0.0), 1.0)
    np.testing.assert_allclose(model.predict(k, 0.5), k @ np.linalg.solve(k + 0.5 * np.eye(3), y), rtol=1e-12)


@given(st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=6, unique=True))
def test_training_error_grows_with_the_ridge(ridges):
    errors = KernelRidge.fit(K, Y[2]).train_error(np.sort(ridges))
    assert (np.diff(errors) >= 0).all()
    assert errors[-1] <= (Y[2] ** 2).sum(1).mean()


def test_order_of_points_does_not_matter():
    order = RNG.permutation(30)
    model = KernelRidge.fit(K, Y[1])
    shuffled = KernelRidge.fit(K[np.ix_(order, order)], Y[1][order])
    np.testing.assert_allclose(
        shuffled.path(K_TEST[:, order], RIDGES), model.path(K_TEST, RIDGES), rtol=1e-6, atol=1e-9
    )
    np.testing.assert_allclose(shuffled.loo(RIDGES), model.loo(RIDGES), rtol=1e-7)


def test_maps_over_trials():
    """Inside jit and vmap, where values cannot be checked."""
    grams = jnp.stack([K, 2 * K])
    targets = jnp.stack([Y[1], Y[1] + 1])
    mapped = jax.jit(jax.vmap(lambda k, y: KernelRidge.fit(k, y).loo(jnp.asarray(RIDGES))))(grams, targets)
    for number in range(2):
        expected = KernelRidge.fit(grams[number], targets[number]).loo(RIDGES)
        np.testing.assert_allclose(mapped[number], expected, rtol=1e-9)


def bent(matrix, value):
    matrix = matrix.copy()
    matrix[3, 5] = value
    return matrix


@pytest.mark.parametrize(
    ("gram", "y", "message"),
    [
        (K[:, :4], Y[1], r"square, got shape \(30, 4\)"),
        (K[0], Y[1], r"square, got shape \(30,\)"),
        (K, Y[1][:5], r"y must have shape \(30,\) or \(30, outputs\), got \(5,\)"),
        (K, Y[2][:, :, None], "y must have shape"),
        (bent(K, np.nan), Y[1], "Gram matrix has 1 entries that are NaN"),
        (bent(K, np.inf), Y[1], "NaN or infinite"),
        (bent(K, 0.9), Y[1], "not symmetric: entries and their mirror images differ"),
        (K, np.where(Y[1] > 1, np.nan, Y[1]), "y has .* NaN"),
    ],
)
def test_bad_input(gram, y, message):
    with pytest.raises(ValueError, match=message):
        KernelRidge.fit(gram, y)


def test_bad_questions():
    model = KernelRidge.fit(K, Y[1])
    with pytest.raises(ValueError, match=r"k_test must have shape \(test points, 30\), got \(30, 9\)"):
        model.predict(K_TEST.T, 1.0)
    with pytest.raises(ValueError, match="at least 0"):
        model.predict(K_TEST, -1.0)
    with pytest.raises(ValueError, match="at least 0"):
        model.path(K_TEST, np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="must be a vector"):
        model.loo(1.0)
    with pytest.raises(ValueError, match=r"k_test must have shape \(test points, 30\), got \(30, 9\)"):
        ridge_path(K, Y[1], K_TEST.T, RIDGES)
    with pytest.raises(ValueError, match="at least 0"):
        ridge_path(K, Y[1], K_TEST, -RIDGES)
    with pytest.raises(ValueError, match="not symmetric"):
        ridge_path(bent(K, 0.9), Y[1], K_TEST, RIDGES)
    with pytest.raises(ValueError, match=r"with 0 on its diagonal is not positive definite.*KernelRidge"):
        ridge_path(np.diag(np.arange(30.0)), Y[1], K_TEST, np.zeros(1))
