"""Random features against their kernels, and ridge paths against scikit-learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Ridge

from reprise.kernels.closed_form import dual_activation
from reprise.kernels.random_features import gaussian_features, relu_features, ridge_path
from reprise.kernels.ridge import KernelRidge
from tests.kernels.finite_networks import z_limit, z_scores

RNG = np.random.default_rng(0)
RIDGES = np.logspace(-3, 2, 6)


def draw(n, k, outputs=None):
    shape = (n,) if outputs is None else (n, outputs)
    return RNG.normal(size=(n, k)), RNG.normal(size=shape), RNG.normal(size=(7, k))


@pytest.mark.parametrize(("n", "k"), [(20, 8), (8, 20), (15, 15), (1, 5), (5, 1)])
@pytest.mark.parametrize("outputs", [None, 3])
def test_path_against_scikit_learn(n, k, outputs):
    features, y, tests = draw(n, k, outputs)
    path = ridge_path(features, y, tests, RIDGES)
    for number, ridge in enumerate(RIDGES):
        reference = Ridge(alpha=ridge, fit_intercept=False, solver="svd").fit(features, y)
        np.testing.assert_allclose(path.predictions[number], reference.predict(tests), rtol=1e-7, atol=1e-9)
        residual = (reference.predict(features) - y).reshape(n, -1)
        np.testing.assert_allclose(path.train_error[number], (residual**2).sum(1).mean(), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(("n", "k"), [(20, 8), (8, 20)])
def test_path_is_kernel_ridge_regression(n, k):
    features, y, tests = draw(n, k)
    model = KernelRidge.fit(features @ features.T, y)
    path = ridge_path(features, y, tests, RIDGES)
    np.testing.assert_allclose(path.predictions, model.path(tests @ features.T, RIDGES), rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(path.train_error, model.train_error(RIDGES), rtol=1e-7)


@pytest.mark.parametrize(("n", "k"), [(20, 8), (8, 20), (12, 12)])
def test_ridge_zero_is_least_squares_of_least_norm(n, k):
    features, y, tests = draw(n, k)
    weights = np.linalg.lstsq(features, y, rcond=None)[0]
    path = ridge_path(features, y, tests, np.zeros(1))
    np.testing.assert_allclose(path.predictions[0], tests @ weights, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(path.train_error[0], ((features @ weights - y) ** 2).mean(), atol=1e-12)


def test_copied_features_change_nothing_but_the_scale():
    features, y, tests = draw(12, 5)
    twice, tests_twice = (np.hstack([f, f]) / np.sqrt(2) for f in (features, tests))
    doubled = ridge_path(twice, y, tests_twice, RIDGES)
    np.testing.assert_allclose(doubled.predictions, ridge_path(features, y, tests, RIDGES).predictions, rtol=1e-9)


def test_gaussian_features_average_to_their_kernel(key):
    """500 draws, 15 z-scores of Phi Phi^T against phi Lambda phi^T; false alarm 1e-6; without Lambda it must fail."""
    phi = jax.random.normal(jax.random.key(0), (5, 12), jnp.float64)
    spectrum = jnp.arange(1.0, 13.0) ** -1.5
    run = jax.jit(jax.vmap(lambda k: gaussian_features(phi, spectrum, 16, key=k)))
    features = run(jax.random.split(key, 500))
    samples = features @ features.swapaxes(1, 2)
    limit = z_limit(tests=15, degrees=499)
    assert jnp.abs(z_scores(samples, phi * spectrum @ phi.T)).max() < limit
    assert jnp.abs(z_scores(samples, phi @ phi.T)).max() > limit


def test_relu_features_average_to_the_arc_cosine_kernel(key):
    """As above, against the closed form; without the factor of 2 it must fail."""
    x = jax.random.normal(jax.random.key(1), (5, 6), jnp.float64)
    run = jax.jit(jax.vmap(lambda k: relu_features(x, 16, key=k)))
    features = run(jax.random.split(key, 500))
    samples = features @ features.swapaxes(1, 2)
    gram = x @ x.T / 6
    square = jnp.diagonal(gram)
    limit = z_limit(tests=15, degrees=499)
    assert jnp.abs(z_scores(samples, dual_activation(gram, square, square, normalised=True).nngp)).max() < limit
    assert jnp.abs(z_scores(samples, dual_activation(gram, square, square).nngp)).max() > limit


def test_keys_decide():
    x = jnp.ones((2, 3))
    same = relu_features(x, 4, key=jax.random.key(0)), relu_features(x, 4, key=jax.random.key(0))
    np.testing.assert_array_equal(*same)
    assert not np.array_equal(same[0], relu_features(x, 4, key=jax.random.key(1)))
    assert relu_features(x, 4, key=jax.random.key(0), dtype=jnp.float32).dtype == jnp.float32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ridge_path(np.ones((3, 2)), np.ones(3), np.ones((1, 4)), RIDGES), "2 and 4 features"),
        (lambda: ridge_path(np.ones((3, 2)), np.ones(4), np.ones((1, 2)), RIDGES), "3 training points and 4 targets"),
        (lambda: gaussian_features(np.ones((3, 2)), np.ones(3), 4, key=jax.random.key(0)), "2 modes but .* 3"),
        (lambda: relu_features(np.ones((3, 2)), 0, key=jax.random.key(0)), "width must be at least 1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
