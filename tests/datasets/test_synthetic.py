"""Synthetic tasks against the laws that their docstrings state; z-scores over many draws."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from reprise.datasets import load, synthetic


@pytest.mark.parametrize(
    "make", [lambda: 7, lambda: np.int64(7), lambda: jax.random.key(7), lambda: jax.random.PRNGKey(7)]
)
def test_equal_keys_give_equal_draws(make):
    first, second = synthetic.sphere(5, 3, key=make()), synthetic.sphere(5, 3, key=make())
    np.testing.assert_array_equal(first, second)


def test_typed_and_raw_keys_agree_and_different_keys_differ():
    typed = synthetic.sphere(5, 3, key=jax.random.key(7))
    np.testing.assert_array_equal(typed, synthetic.sphere(5, 3, key=jax.random.PRNGKey(7)))
    for other in (jax.random.key(8), jax.random.split(jax.random.key(7))[0], 7):
        assert not np.array_equal(typed, synthetic.sphere(5, 3, key=other))


def test_a_generator_is_advanced():
    rng = np.random.default_rng(0)
    assert not np.array_equal(synthetic.sphere(2, 2, key=rng), synthetic.sphere(2, 2, key=rng))


@pytest.mark.parametrize("key", [None, "0", 0.5, True, np.array([1.0, 2.0]), [[1, 2]]])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(TypeError, match="key must be"):
        synthetic.generator(key)


def test_several_keys_at_once_are_refused():
    with pytest.raises(TypeError, match="a single JAX key"):
        synthetic.generator(jax.random.split(jax.random.key(0), 3))


def test_negative_seeds_are_refused():
    with pytest.raises(ValueError, match="non-negative"):
        synthetic.generator(-1)


def test_the_circle():
    angles, points = synthetic.circle(361)
    assert angles[0] == -np.pi
    assert angles[-1] == np.pi
    np.testing.assert_allclose((points**2).sum(axis=1), 1.0, rtol=1e-15)
    np.testing.assert_allclose(np.arctan2(points[:, 1], points[:, 0])[1:-1], angles[1:-1], atol=1e-15)
    assert points[180].tolist() == [1.0, 0.0]


def test_the_sphere_is_uniform():
    """Moments of 20 000 points in 4 dimensions; |z| < 4.5 for 4 + 10 numbers, false alarm 1e-4."""
    n, dim = 20_000, 4
    x = synthetic.sphere(n, dim, key=1)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1.0, rtol=1e-14)
    z_mean = x.mean(axis=0) * np.sqrt(n * dim)
    products = np.einsum("ni,nj->nij", x, x)
    z_second = (products.mean(axis=0) - np.eye(dim) / dim) / products.std(axis=0) * np.sqrt(n)
    assert np.abs(z_mean).max() < 4.5
    assert np.abs(z_second).max() < 4.5


def test_the_product_of_gaussians():
    """E y = 0, E y^2 = 1, E y^4 = 9: z-scores below 4.5 at 50 000 points."""
    x, y = synthetic.gaussian_product(50_000, key=2)
    np.testing.assert_array_equal(y, x[:, 0] * x[:, 1])
    for power, expected in ((1, 0.0), (2, 1.0)):
        z = (np.mean(y**power) - expected) / np.std(y**power) * np.sqrt(len(y))
        assert abs(z) < 4.5


def power_law(n, **changes):
    given = {"modes": 30, "alpha": 1.5, "beta": 1.2, "noise_variance": 0.0, "key": 3, **changes}
    return synthetic.gaussian_power_law(n, **given)


def test_power_law_targets_follow_from_the_features():
    task = power_law(50, n_test=20)
    for x, y in ((task.x, task.y), (task.x_test, task.y_test)):
        np.testing.assert_allclose(x / np.sqrt(task.eigenvalues) @ task.coefficients, y, rtol=1e-9)
    index = np.arange(1.0, 31.0)
    np.testing.assert_allclose(task.eigenvalues, index**-1.5, rtol=1e-15)
    np.testing.assert_allclose(task.coefficients**2, index**-1.2, rtol=1e-14)


def test_power_law_inputs_have_the_eigenvalues_as_variances():
    """60 000 points: z-scores of 30 variances below 4.5, false alarm 2e-4."""
    task = power_law(60_000)
    z = (task.x.var(axis=0) / task.eigenvalues - 1) * np.sqrt(60_000 / 2)
    assert np.abs(z).max() < 4.5


def test_power_law_noise_has_its_variance_on_both_parts():
    noisy = power_law(20_000, n_test=20_000, noise_variance=0.5)
    for x, y in ((noisy.x, noisy.y), (noisy.x_test, noisy.y_test)):
        noise = y - x / np.sqrt(noisy.eigenvalues) @ noisy.coefficients
        assert abs(noise.var() / 0.5 - 1) * np.sqrt(20_000 / 2) < 4.5


def test_noise_changes_neither_inputs_nor_the_target_below_it():
    clean, noisy = power_law(10), power_law(10, noise_variance=0.5)
    np.testing.assert_array_equal(clean.x, noisy.x)
    assert not np.array_equal(clean.y, noisy.y)


def test_noise_on_rows_has_the_total_variance():
    y = np.eye(10)[np.arange(40_000) % 10]
    noisy = synthetic.noisy_targets(y, 5.0, key=4)
    length = ((noisy - y) ** 2).sum(axis=1)
    assert abs(length.mean() - 5.0) / length.std() * np.sqrt(len(y)) < 4.5
    unit = synthetic.noisy_targets(y, 5.0, key=4, renormalise=True)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(unit * np.linalg.norm(noisy, axis=1)[:, None], noisy, rtol=1e-12, atol=1e-14)


def test_noise_of_variance_zero_changes_nothing():
    y = np.linspace(-1, 1, 7)
    np.testing.assert_array_equal(synthetic.noisy_targets(y, 0.0, key=0), y)
    with pytest.raises(ValueError, match="rows of several outputs"):
        synthetic.noisy_targets(y, 1.0, key=0, renormalise=True)


def test_permuting_keeps_the_values():
    y = np.arange(100)
    shuffled = synthetic.permuted(y, key=5)
    assert sorted(shuffled.tolist()) == y.tolist()
    assert (shuffled != y).sum() > 80


def test_gaussian_process_draws_have_their_covariance():
    root = np.random.default_rng(0).normal(size=(4, 2))
    covariance = root @ root.T  # of rank 2
    draws = synthetic.gaussian_process(covariance, outputs=50_000, noise_variance=0.1, key=6)
    products = np.einsum("in,jn->ijn", draws, draws)
    error = products.mean(axis=2) - covariance - 0.1 * np.eye(4)
    assert np.abs(error / products.std(axis=2) * np.sqrt(50_000)).max() < 4.5


def test_a_covariance_that_is_none_is_refused():
    with pytest.raises(ValueError, match="negative eigenvalue -1"):
        synthetic.gaussian_process(np.diag([1.0, -1.0]), key=0)


def test_tasks_by_name_are_those_of_the_functions():
    options = {"modes": 30, "alpha": 1.5, "beta": 1.2, "n_test": 4, "key": 3}
    data, task = load("synthetic/gaussian-power-law", n=6, **options), power_law(6, n_test=4)
    np.testing.assert_array_equal(data.x, task.x)
    np.testing.assert_array_equal(data.y_test, task.y_test)
    x, y = synthetic.gaussian_product(5, key=9)
    data = load("synthetic/gaussian-product", n=5, key=9)
    np.testing.assert_array_equal(data.x, x)
    np.testing.assert_array_equal(data.y, y)
    circle = load("synthetic/circle-product", n=5, key=9)
    np.testing.assert_allclose((circle.x**2).sum(axis=1), 1.0, rtol=1e-14)
    np.testing.assert_array_equal(circle.y, circle.x[:, 0] * circle.x[:, 1])


def test_each_draw_is_noted_with_its_own_checksum():
    first, again, other = (load("synthetic/gaussian-product", n=5, key=key) for key in (1, 1, 2))
    assert first.meta.sha256 == again.meta.sha256 != other.meta.sha256
