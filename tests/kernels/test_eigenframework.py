"""The eigenframework against high-precision roots, published numbers, Bayes optimality, limits and a simulation."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st

from reprise.kernels import eigenframework as ef
from reprise.kernels.random_features import gaussian_features, ridge_path

LAW = ef.power_law(1.5, 10_000)


def exact(eigenvalues, power, n, k, ridge, noise):
    """The published formulas, as printed, in 40 digits; k may be None."""
    with mpmath.workdps(40):
        lam, v2 = ([mpmath.mpf(float(x)) for x in xs] for xs in (eigenvalues, power))
        delta = mpmath.mpf(ridge)

        def z(gamma):
            return mpmath.fsum(x / (x + gamma) for x in lam)

        def equation(u):
            gamma = mpmath.exp(u)
            share = 1 if k is None else 1 - z(gamma) / k
            return (n - z(gamma)) * share * gamma - delta

        def increasing_root(function, low, high):
            for _ in range(160):
                middle = (low + high) / 2
                low, high = (low, middle) if function(middle) > 0 else (middle, high)
            return low

        cap = n if k is None else min(n, k)
        least = increasing_root(lambda u: cap - z(mpmath.exp(u)), mpmath.mpf(-60), mpmath.mpf(60))
        gamma = mpmath.exp(increasing_root(equation, least, mpmath.mpf(60)))
        q = mpmath.fsum((x / (x + gamma)) ** 2 for x in lam)
        if k is None:
            kappa = gamma
            factor = mpmath.mpf(n) / (n - q)
            risk = mpmath.fsum((kappa / (x + kappa)) ** 2 * v for x, v in zip(lam, v2, strict=True))
        else:
            kappa = gamma * (k - z(gamma)) / k
            factor = 1 / (1 - (q * (k - 2 * z(gamma)) + z(gamma) ** 2) / (n * (k - q)))
            risk = mpmath.fsum(
                (gamma / (x + gamma) - kappa * x / (x + gamma) ** 2 * k / (k - q)) * v
                for x, v in zip(lam, v2, strict=True)
            )
        test = factor * (risk + noise)
        return [float(x) for x in (kappa, gamma, test, delta**2 / (n * kappa) ** 2 * test)]


@pytest.mark.parametrize("k", [None, 20, 30, 31, 200])
@pytest.mark.parametrize("ridge", [1e-10, 1e-3, 1.0, 100.0])
def test_against_the_printed_formulas_in_forty_digits(k, ridge):
    spectrum, power = ef.power_law(1.3, 120), ef.power_law(1.7, 120)
    solution = ef.solve(spectrum, 30, k, ridge)
    errors = ef.errors(spectrum, power, 30, k, ridge, noise=0.2)
    kappa, gamma, test, train = exact(spectrum, power, 30, k, ridge, 0.2)
    np.testing.assert_allclose(solution.gamma, gamma, rtol=1e-12)
    # Near the interpolation threshold n - z and k - z are small differences of sums of order 30.
    np.testing.assert_allclose(solution.kappa, kappa, rtol=1e-9 if k == 30 else 1e-12)
    np.testing.assert_allclose(errors.test, test, rtol=1e-9 if k == 30 else 1e-11)
    np.testing.assert_allclose(errors.train, train, rtol=1e-8 if k == 30 else 1e-11)


@pytest.mark.parametrize(
    ("k", "kappa", "gamma", "test", "train"),
    [
        (1000, 1.210454e-3, 1.464353e-3, 0.954348, 0.099387),
        (None, 1.355315e-3, 1.355315e-3, 0.883988, 0.073432),
        (np.inf, 1.355315e-3, 1.355315e-3, 0.883988, 0.073432),
    ],
)
def test_check_values(k, kappa, gamma, test, train):
    solution = ef.solve(LAW, 256, k, 0.1)
    np.testing.assert_allclose([solution.kappa, solution.gamma], [kappa, gamma], rtol=5e-7)
    assert abs(ef.test_error(LAW, LAW, 256, k, 0.1, noise=0.5) - test) < 5e-7
    assert abs(ef.train_error(LAW, LAW, 256, k, 0.1, noise=0.5) - train) < 5e-7


def test_reference_errors_at_the_optimal_and_at_a_fixed_ridge():
    widths = np.array([64, 256, 1024, np.inf])
    optimum = ef.optimal_ridge(LAW, LAW, 256, widths, noise=0.5)
    np.testing.assert_allclose(optimum.test_error, [1.0751, 0.9180, 0.8610, 0.8374], atol=5e-5)
    fixed = ef.test_error(LAW, LAW, 256, widths[:3], 1e-3, noise=0.5)
    np.testing.assert_allclose(fixed, [1.245, 5.584, 1.217], atol=5e-4)


def test_the_bayes_optimal_ridge_is_the_noise():
    """If the target is drawn from the kernel's own prior, kernel regression is Bayesian, and the ridge its noise."""
    optimum = ef.optimal_ridge(LAW, LAW, 100, noise=np.array([0.03, 0.5, 4.0]))
    np.testing.assert_allclose(optimum.ridge, [0.03, 0.5, 4.0], rtol=1e-6)


def test_optimum_against_a_fine_grid():
    ridges = np.logspace(-3, 2, 1001)
    law = LAW[:1000]
    for k in (40, 100, None):
        curve = np.asarray(ef.test_error(law, law, 100, k, ridges, noise=0.3))
        optimum = ef.optimal_ridge(law, law, 100, k, noise=0.3)
        assert optimum.test_error <= curve.min() + 1e-13
        np.testing.assert_allclose(optimum.test_error, curve.min(), rtol=1e-5)
        again = ef.errors(law, law, 100, k, optimum.ridge, noise=0.3)
        np.testing.assert_allclose(again.test, optimum.test_error, rtol=1e-12)
        np.testing.assert_allclose(again.ratio, optimum.ratio, rtol=1e-6)


def test_more_features_and_more_samples_are_better_at_the_optimal_ridge():
    sizes = np.array([16, 32, 64, 128, 256, 512, 1024, np.inf])
    samples = sizes[:-1]
    best = ef.optimal_ridge(LAW, LAW, samples[:, None], sizes[None, :], noise=0.5).test_error
    assert np.diff(best, axis=0).max() <= 1e-9
    assert np.diff(best, axis=1).max() <= 1e-9


def with_tails(alpha, beta, m):
    spectra = ef.power_law(alpha, m), ef.power_law(beta, m)
    tails = {"tail": ef.power_law_tail(alpha, m), "tail_power": ef.power_law_tail(beta, m)}
    return spectra, tails


@pytest.mark.parametrize("n", [100, 1000])
@pytest.mark.parametrize(
    ("beta", "noise_rel", "ratio"), [(1.2, 0, 0.25), (1.8, 0, 0.0), (1.8, 1, 0.0444), (1.8, 5, 0.3270)]
)
def test_optimal_fitting_ratio(n, beta, noise_rel, ratio):
    """The root formula, its table, and the minimum of the discrete framework with tails, within 0.01."""
    assert abs(ef.fitting_ratio_optimum(1.5, beta, noise_rel) - ratio) < 5e-5
    (spectrum, power), tails = with_tails(1.5, beta, 100_000)
    base = ef.test_error(spectrum, power, n, **tails)
    optimum = ef.optimal_ridge(spectrum, power, n, noise=noise_rel * base, **tails)
    assert abs(optimum.ratio - ratio) < 0.01


def test_without_tails_the_fitting_ratio_is_wrong():
    """What truncation does: 0.107 instead of 0.250 with a hundred thousand modes."""
    spectrum, power = ef.power_law(1.5, 100_000), ef.power_law(1.2, 100_000)
    assert abs(ef.optimal_ridge(spectrum, power, 1000).ratio - 0.107) < 1e-3


@given(st.floats(1.05, 3.0), st.floats(0.05, 0.95), st.floats(0.0, 20.0))
def test_the_root_minimises_the_curve(alpha, share, noise_rel):
    beta = 1 + share * 2 * alpha * 0.99
    best = ef.fitting_ratio_optimum(alpha, beta, noise_rel)
    curve = ef.fitting_ratio_curve(jnp.linspace(0, 0.999, 500), alpha, beta, noise_rel)
    assert ef.fitting_ratio_curve(best, alpha, beta, noise_rel) <= curve.min() * (1 + 1e-12)
    assert (best == 0) == (noise_rel <= (beta - alpha) / (alpha * (alpha - 1)))


def test_curve_is_the_continuum_limit():
    (spectrum, power), tails = with_tails(1.5, 1.8, 100_000)
    ridges = np.logspace(-3, 1, 9)
    base = ef.test_error(spectrum, power, 2000, **tails)
    errors = ef.errors(spectrum, power, 2000, None, ridges, noise=2 * base, **tails)
    limit = ef.fitting_ratio_curve(errors.ratio, 1.5, 1.8, 2.0)
    np.testing.assert_allclose(errors.test / base, limit, rtol=5e-3)


def test_scaling_laws_without_ridge():
    """The constant kappa goes like n^-alpha with its known factor, and the test error like n^-(beta-1)."""
    (spectrum, power), tails = with_tails(1.5, 1.8, 200_000)
    n = np.array([100.0, 400.0, 1600.0])
    kappa = ef.solve(spectrum, n, tail=tails["tail"]).kappa
    constant = (np.pi / 1.5 / np.sin(np.pi / 1.5)) ** 1.5
    np.testing.assert_allclose(kappa, constant * n**-1.5, rtol=0.02)
    errors = np.log(ef.test_error(spectrum, power, n, **tails))
    np.testing.assert_allclose(np.diff(errors) / np.log(4), -0.8, atol=0.01)


def test_tail_is_what_more_modes_would_bring():
    truth = ef.test_error(ef.power_law(1.4, 300_000), ef.power_law(1.3, 300_000), 50, 200, 0.01)
    spectrum, power = ef.power_law(1.4, 3000), ef.power_law(1.3, 3000)
    cut = {
        "tail": ef.power_law_tail(1.4, 3000) - ef.power_law_tail(1.4, 300_000),
        "tail_power": ef.power_law_tail(1.3, 3000) - ef.power_law_tail(1.3, 300_000),
    }
    np.testing.assert_allclose(ef.test_error(spectrum, power, 50, 200, 0.01, **cut), truth, rtol=2e-4)
    assert abs(ef.test_error(spectrum, power, 50, 200, 0.01) / truth - 1) > 0.02


def test_tail_sum_is_the_hurwitz_zeta_function():
    with mpmath.workdps(30):
        expected = float(mpmath.zeta(1.2, 1001))
    np.testing.assert_allclose(ef.power_law_tail(1.2, 1000), expected, rtol=1e-13)
    np.testing.assert_allclose(ef.power_law_tail(1.5, 0), scipy.special.zeta(1.5), rtol=1e-14)


@given(n=st.integers(1, 400), k=st.integers(1, 400), ridge=st.floats(1e-12, 1e6), alpha=st.floats(0.3, 4))
def test_solution_satisfies_both_equations(n, k, ridge, alpha):
    spectrum = ef.power_law(alpha, 500)
    kappa, gamma, z, q = ef.solve(spectrum, n, k, ridge)
    assert 0 <= kappa <= gamma
    assert 0 <= q <= z < min(n, k) * (1 + 1e-12)
    np.testing.assert_allclose((n - z) * (1 - z / k) * gamma, ridge, rtol=1e-6, atol=1e-9 * gamma * n)
    np.testing.assert_allclose(z + k * kappa / gamma, k, rtol=1e-12)


def test_many_features_are_infinitely_many():
    for ridge in (0.0, 0.1):
        wide = ef.errors(LAW, LAW, 100, 1e12, ridge, noise=0.1)
        limit = ef.errors(LAW, LAW, 100, None, ridge, noise=0.1)
        np.testing.assert_allclose(wide, limit, rtol=1e-9)


def test_small_ridges_tend_to_ridgeless():
    for k in (50, 300, None):
        limit = ef.errors(LAW, LAW, 100, k, 0.0, noise=0.1)
        near = ef.errors(LAW, LAW, 100, k, 1e-12, noise=0.1)
        np.testing.assert_allclose(near.test, limit.test, rtol=1e-5)
        np.testing.assert_allclose(near.train, limit.train, rtol=1e-5, atol=1e-15)


def test_interpolation_threshold_diverges():
    assert ef.test_error(LAW, LAW, 100, 100, 0.0) == np.inf
    assert ef.train_error(LAW, LAW, 100, 100, 0.0) == 0.0


def test_fewer_modes_than_samples():
    """Noise-free and ridgeless, everything is learnt; with noise, the classical n / (n - m) of least squares."""
    spectrum = jnp.ones(10)
    assert ef.solve(spectrum, 25, None, 0.0).gamma == 0
    assert ef.test_error(spectrum, spectrum, 25) == 0
    np.testing.assert_allclose(ef.test_error(spectrum, spectrum, 25, noise=2.0), 2 * 25 / 15, rtol=1e-13)
    np.testing.assert_allclose(ef.train_error(spectrum, spectrum, 25, noise=2.0), 2 * 15 / 25, rtol=1e-13)


def test_silent_modes_only_add_risk():
    spectrum = jnp.concatenate([ef.power_law(1.5, 50), jnp.zeros(5)])
    power = jnp.concatenate([ef.power_law(1.5, 50), jnp.full(5, 0.1)])
    np.testing.assert_allclose(
        ef.test_error(spectrum, power, 20, 30, 0.1),
        ef.test_error(spectrum[:50], power[:50], 20, 30, 0.1, tail_power=0.5),
        rtol=1e-13,
    )


def test_units():
    """Kernel and ridge in other units: the same predictor, so the same errors."""
    np.testing.assert_allclose(
        ef.errors(100 * LAW, LAW, 64, 90, 100 * 0.2, noise=0.3), ef.errors(LAW, LAW, 64, 90, 0.2, noise=0.3), rtol=1e-11
    )


@pytest.mark.slow
def test_simulated_ridge_regression(key):
    """100 draws of Gaussian random-feature regression; the framework is asymptotic, so within 5 % (and not 12 % off)."""
    spectrum, power, n, k, noise = ef.power_law(1.5, 400), ef.power_law(1.5, 400), 64, 107, 0.5
    ridges = jnp.array([0.02, 0.3, 3.0])

    def trial(key):
        keys = jax.random.split(key, 3)
        phi = jax.random.normal(keys[0], (n + 200, 400), jnp.float64)
        signs = jnp.sqrt(power)
        y = phi @ signs + jnp.sqrt(noise) * jax.random.normal(keys[1], (n + 200,), jnp.float64)
        features = gaussian_features(phi, spectrum, k, key=keys[2])
        path = ridge_path(features[:n], y[:n], features[n:], ridges)
        return jnp.mean((path.predictions - y[n:]) ** 2, axis=1), path.train_error

    test, train = jax.lax.map(jax.jit(trial), jax.random.split(key, 100))
    errors = ef.errors(spectrum, power, n, k, ridges, noise=noise)
    np.testing.assert_allclose(test.mean(axis=0), errors.test, rtol=0.05)
    np.testing.assert_allclose(train.mean(axis=0), errors.train, rtol=0.05)
    without = ef.errors(spectrum, power, n, None, ridges, noise=noise)
    assert np.abs(test.mean(axis=0) / without.test - 1).max() > 0.12


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ef.solve(LAW, 10, 5, -1.0), "ridge must be at least 0"),
        (lambda: ef.solve(-LAW, 10), "eigenvalues must be numbers of at least 0"),
        (lambda: ef.solve(jnp.array([1.0, jnp.nan]), 10), "eigenvalues must be numbers"),
        (lambda: ef.solve(LAW[:, None], 10), "must be a vector"),
        (lambda: ef.solve(LAW, 0), "n must be positive"),
        (lambda: ef.solve(LAW, 10, 0), "k must be positive"),
        (lambda: ef.test_error(LAW, LAW[:5], 10), "10000 eigenvalues and 5 powers"),
        (lambda: ef.power_law_tail(1.0, 5), "diverges"),
        (lambda: ef.fitting_ratio_optimum(0.9, 1.2), "alpha > 1"),
        (lambda: ef.fitting_ratio_curve(0.5, 1.5, 4.5), "beta < 2 alpha"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
