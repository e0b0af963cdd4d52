"""Posteriors against scikit-learn, training dynamics against an ODE solver, an ensemble and neural-tangents."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from reprise.kernels.closed_form import nngp_ntk
from reprise.kernels.gp import ensemble_limit, gradient_flow, log_marginal_likelihood, posterior
from reprise.kernels.nt import nt, stax

RNG = np.random.default_rng(0)
X, TESTS = RNG.normal(size=(12, 3)), RNG.normal(size=(5, 3))
Y = {1: RNG.normal(size=12), 2: RNG.normal(size=(12, 2))}


def kernels(**network):
    both = nngp_ntk(np.vstack([X, TESTS]), depth=3, b_std=0.3, **network)
    return {name: {"xx": k[:12, :12], "tx": k[12:, :12], "tt": k[12:, 12:]} for name, k in both._asdict().items()}


def limit_arguments(t, rank=1):
    k = kernels()
    return k["ntk"]["xx"], k["ntk"]["tx"], k["nngp"]["tt"], k["nngp"]["tx"], k["nngp"]["xx"], Y[rank], t


@pytest.mark.parametrize("noise", [1e-3, 0.5])
@pytest.mark.parametrize("rank", [1, 2])
def test_posterior_against_scikit_learn(noise, rank):
    rbf = RBF(1.5)
    reference = GaussianProcessRegressor(rbf, alpha=noise, optimizer=None).fit(X, Y[rank])
    ours = posterior(rbf(TESTS), rbf(TESTS, X), rbf(X), Y[rank], noise)
    mean, covariance = reference.predict(TESTS, return_cov=True)
    np.testing.assert_allclose(ours.mean, mean, rtol=1e-8)
    np.testing.assert_allclose(ours.covariance, covariance if rank == 1 else covariance[..., 0], rtol=1e-6, atol=1e-12)
    likelihood = log_marginal_likelihood(rbf(X), Y[rank], noise)
    np.testing.assert_allclose(likelihood, reference.log_marginal_likelihood_value_, rtol=1e-10)


def test_gradient_of_the_marginal_likelihood():
    def value(log_noise):
        return log_marginal_likelihood(RBF(1.5)(X), Y[1], jnp.exp(log_noise))

    numeric = (value(-1 + 1e-5) - value(-1 - 1e-5)) / 2e-5
    np.testing.assert_allclose(jax.grad(value)(-1.0), numeric, rtol=1e-8)


def test_not_positive_definite_is_nan():
    assert np.isnan(log_marginal_likelihood(-np.eye(3), np.ones(3), 0.1))


def test_gradient_flow_against_an_ode_solver():
    k = kernels()["ntk"]
    both = np.vstack([k["xx"], k["tx"]])
    start = RNG.normal(size=17)
    solution = scipy.integrate.solve_ivp(
        lambda _, f: -both @ (f[:12] - Y[1]) / 12, (0, 30.0), start, method="DOP853", rtol=1e-12, atol=1e-12
    ).y[:, -1]
    ours = [gradient_flow(k["xx"], k[name], start[:12], first, Y[1], 30.0) for name, first in
            (("xx", start[:12]), ("tx", start[12:]))]  # fmt: skip
    np.testing.assert_allclose(np.concatenate(ours), solution, rtol=1e-8, atol=1e-9)


def test_gradient_descent_steps_are_time():
    """A thousand steps of rate 0.01 on the half mean squared error are a time of 10, up to the step's own error."""
    k = np.asarray(kernels()["ntk"]["xx"])
    f = start = RNG.normal(size=12)
    for _ in range(1000):
        f = f - 0.01 * k @ (f - Y[1]) / 12
    np.testing.assert_allclose(gradient_flow(k, k, start, start, Y[1], 10.0), f, atol=2e-3)


@pytest.mark.parametrize("t", [0.5, 30.0, None])
@pytest.mark.parametrize("rank", [1, 2])
def test_ensemble_against_neural_tangents(t, rank):
    def dense():
        return stax.Dense(1, W_std=1.0, b_std=0.3, parameterization="ntk")

    _, _, kernel = stax.serial(dense(), stax.Relu(), dense(), stax.Relu(), dense())
    y = Y[rank].reshape(12, -1)
    predict = nt.predict.gradient_descent_mse_ensemble(kernel, jnp.asarray(X), jnp.asarray(y))
    # The library divides by the number of all targets, not of points.
    time = None if t is None else t * y.shape[1]
    theirs = predict(t=time, x_test=jnp.asarray(TESTS), get="ntk", compute_cov=True)
    ours = ensemble_limit(*limit_arguments(t, rank))
    np.testing.assert_allclose(ours.mean.reshape(5, -1), theirs.mean, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(ours.covariance, theirs.covariance, rtol=1e-6, atol=1e-8)


def test_ensemble_against_sampled_functions():
    """20000 functions drawn from the prior and moved by the flow: mean and covariance within 5 standard errors."""
    arguments = limit_arguments(20.0)
    k = kernels()
    joint = np.block([[k["nngp"]["xx"], k["nngp"]["tx"].T], [k["nngp"]["tx"], k["nngp"]["tt"]]])
    draws = np.linalg.cholesky(joint + 1e-12 * np.eye(17)) @ RNG.normal(size=(17, 20_000))
    moved = gradient_flow(k["ntk"]["xx"], k["ntk"]["tx"], draws[:12], draws[12:], Y[1][:, None], 20.0)
    limit = ensemble_limit(*arguments)
    deviation = jnp.sqrt(jnp.diagonal(limit.covariance))
    assert (jnp.abs(moved.mean(axis=1) - limit.mean) < 5 * deviation / np.sqrt(20_000)).all()
    spread = jnp.sqrt((jnp.outer(deviation, deviation) ** 2 + limit.covariance**2) / 20_000)
    assert (jnp.abs(jnp.cov(moved) - limit.covariance) < 5 * spread).all()


def test_limits_in_time():
    k = kernels()
    before = ensemble_limit(*limit_arguments(0.0))
    np.testing.assert_allclose(before.mean, 0, atol=1e-14)
    np.testing.assert_allclose(before.covariance, k["nngp"]["tt"], rtol=1e-12)
    late, ever = (ensemble_limit(*limit_arguments(t)) for t in (1e7, None))
    np.testing.assert_allclose(late.mean, ever.mean, rtol=1e-9)
    np.testing.assert_allclose(late.covariance, ever.covariance, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(ever.mean, k["ntk"]["tx"] @ np.linalg.solve(k["ntk"]["xx"], Y[1]), rtol=1e-8)


def test_last_layer_alone_ends_in_the_posterior():
    """With the NNGP kernel as tangent kernel, training for ever is exact noise-free inference (Matthews et al. 2017)."""
    k = kernels()["nngp"]
    trained = ensemble_limit(k["xx"], k["tx"], k["tt"], k["tx"], k["xx"], Y[1])
    exact = posterior(k["tt"], k["tx"], k["xx"], Y[1], 1e-13)
    np.testing.assert_allclose(trained.mean, exact.mean, rtol=1e-6)
    np.testing.assert_allclose(trained.covariance, exact.covariance, atol=1e-8)


def test_trained_points_are_fitted_without_spread():
    k = kernels()
    theta, sigma = k["ntk"]["xx"], k["nngp"]["xx"]
    end = ensemble_limit(theta, theta, sigma, sigma, sigma, Y[1])
    np.testing.assert_allclose(end.mean, Y[1], rtol=1e-9)
    np.testing.assert_allclose(end.covariance, 0, atol=1e-9)


def test_singular_tangent_kernel():
    """A point that is there twice: its two copies move alike, to the mean of their targets."""
    twice = np.ones((2, 2))
    moved = gradient_flow(twice, twice, np.zeros(2), np.zeros(2), np.array([0.0, 1.0]))
    np.testing.assert_allclose(moved, [0.5, 0.5], rtol=1e-12)
    at = gradient_flow(twice, twice, np.zeros(2), np.zeros(2), np.array([0.0, 1.0]), 0.7)
    np.testing.assert_allclose(at, 0.5 * (1 - np.exp(-0.7)), rtol=1e-12)


def test_maps_over_time():
    times = jnp.array([0.1, 1.0, 10.0])

    def mean(t):
        return ensemble_limit(*limit_arguments(t)).mean

    means = jax.vmap(mean)(times)
    for number, t in enumerate(times):
        np.testing.assert_allclose(means[number], mean(float(t)), rtol=1e-10)
