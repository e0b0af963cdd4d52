r"""Gaussian-process posteriors, and the Gaussian limit of ensembles of infinitely wide trained networks.

Letters: $t$ for test points and $x$ for training points; ``k_tx`` is the kernel between test (rows) and training points.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.linalg import cho_solve, solve_triangular
from jaxtyping import Array, ArrayLike, Float

import reprise._x64  # noqa: F401

__all__ = ["Gaussian", "ensemble_limit", "gradient_flow", "log_marginal_likelihood", "posterior"]


class Gaussian(NamedTuple):
    """A Gaussian over the function's values at the test points; outputs share the covariance."""

    mean: Float[Array, " t"] | Float[Array, "t c"]
    covariance: Float[Array, "t t"]


def posterior(
    k_tt: Float[ArrayLike, "t t"],
    k_tx: Float[ArrayLike, "t n"],
    k_xx: Float[ArrayLike, "n n"],
    y: Float[ArrayLike, " n"] | Float[ArrayLike, "n c"],
    noise: float | Float[ArrayLike, ""],
) -> Gaussian:
    r"""Posterior of a centred Gaussian process given $y = f(X) + \mathcal N(0, \text{noise})$ (noise is a variance).

    Mean $k_{tx}(k_{xx}+\text{noise}\,I)^{-1}y$, covariance $k_{tt}-k_{tx}(k_{xx}+\text{noise}\,I)^{-1}k_{xt}$ of the
    noise-free function (Rasmussen and Williams 2006, eq. 2.23-2.24). Float64, by Cholesky, $O(n^3 + n^2t + nt^2)$; not
    positive definite gives NaN.

    >>> one = jnp.ones((1, 1))
    >>> g = posterior(one, 0.5 * one, one, jnp.array([2.0]), noise=1.0)
    >>> print(g.mean, g.covariance)
    [0.5] [[0.875]]
    """
    factor = _cholesky(k_xx, noise)
    cross = jnp.asarray(k_tx, jnp.float64)
    half = solve_triangular(factor, cross.T, lower=True)
    mean = cross @ cho_solve((factor, True), jnp.asarray(y, jnp.float64))
    return Gaussian(mean, jnp.asarray(k_tt, jnp.float64) - half.T @ half)


def log_marginal_likelihood(
    k_xx: Float[ArrayLike, "n n"],
    y: Float[ArrayLike, " n"] | Float[ArrayLike, "n c"],
    noise: float | Float[ArrayLike, ""],
) -> Float[Array, ""]:
    r"""$\sum_c\log\mathcal N(y_c; 0, k_{xx}+\text{noise}\,I)$, summed over independent outputs; $O(n^3)$, float64.

    >>> value = log_marginal_likelihood(jnp.zeros((1, 1)), jnp.zeros(1), noise=1.0)
    >>> print(round(float(value), 6))
    -0.918939
    """
    factor = _cholesky(k_xx, noise)
    targets = jnp.asarray(y, jnp.float64).reshape(len(factor), -1)
    whitened = solve_triangular(factor, targets, lower=True)
    log_det = 2 * jnp.sum(jnp.log(jnp.diagonal(factor))) + len(factor) * math.log(2 * math.pi)
    return -0.5 * (jnp.sum(whitened**2) + targets.shape[1] * log_det)


def ensemble_limit(
    theta_xx: Float[ArrayLike, "n n"],
    theta_tx: Float[ArrayLike, "t n"],
    sigma_tt: Float[ArrayLike, "t t"],
    sigma_tx: Float[ArrayLike, "t n"],
    sigma_xx: Float[ArrayLike, "n n"],
    y: Float[ArrayLike, " n"] | Float[ArrayLike, "n c"],
    t: float | Float[ArrayLike, ""] | None = None,
) -> Gaussian:
    r"""Distribution over initialisations of infinitely wide networks after training for time ``t`` (None: for ever).

    Gradient flow on $\frac1{2n}\sum_i|f(x_i)-y_i|^2$ (so one step of gradient descent at rate $\eta$ is a time of $\eta$)
    moves $f_t(\cdot) = f_0(\cdot) + A_t(y-f_0(X))$ with $A_t = \Theta_{tx}\Theta_{xx}^{-1}(1-e^{-t\Theta_{xx}/n})$. As
    $f_0$ is Gaussian with covariance $\Sigma$, so is $f_t$: mean $A_ty$ and covariance
    $\Sigma_{tt}-A_t\Sigma_{xt}-\Sigma_{tx}A_t^\top+A_t\Sigma_{xx}A_t^\top$ (Jacot et al. 2018, section 5; Lee et al.
    2019, eq. 15-16). Float64, $O(n^3 + n^2t)$.

    >>> one = jnp.ones((1, 1))
    >>> print(ensemble_limit(one, one, one, one, one, jnp.array([3.0])).covariance)
    [[0.]]
    """
    gain = _gain(theta_xx, theta_tx, t)
    cross, targets = jnp.asarray(sigma_tx, jnp.float64), jnp.asarray(y, jnp.float64)
    moved = gain @ cross.T
    spread = gain @ jnp.asarray(sigma_xx, jnp.float64) @ gain.T
    covariance = jnp.asarray(sigma_tt, jnp.float64) - moved - moved.T + spread
    return Gaussian(gain @ targets, (covariance + covariance.T) / 2)


def gradient_flow(
    theta_xx: Float[ArrayLike, "n n"],
    theta_tx: Float[ArrayLike, "t n"],
    f0_x: Float[ArrayLike, " n"] | Float[ArrayLike, "n c"],
    f0_t: Float[ArrayLike, " t"] | Float[ArrayLike, "t c"],
    y: Float[ArrayLike, " n"] | Float[ArrayLike, "n c"],
    t: float | Float[ArrayLike, ""] | None = None,
) -> Float[Array, " t"] | Float[Array, "t c"]:
    r"""Function at the test points after time ``t`` of kernel gradient flow from a given start, $f_0 + A_t(y-f_0(X))$.

    Notation, loss and cost as `ensemble_limit`; with the training points as test points, and $\Theta_{xx}$ for both
    kernels, this is $y + e^{-t\Theta_{xx}/n}(f_0-y)$.

    >>> one = jnp.ones((1, 1))
    >>> start, target = jnp.array([1.0]), jnp.array([0.0])
    >>> print(gradient_flow(one, one, start, start, target, t=1.0).round(6))
    [0.367879]
    """
    rest = jnp.asarray(y, jnp.float64) - jnp.asarray(f0_x, jnp.float64)
    return jnp.asarray(f0_t, jnp.float64) + _gain(theta_xx, theta_tx, t) @ rest


def _gain(
    theta_xx: Float[ArrayLike, "n n"], theta_tx: Float[ArrayLike, "t n"], t: float | Float[ArrayLike, ""] | None
) -> Float[Array, "t n"]:
    r"""Return $A_t$, by eigenvectors of $\Theta_{xx}$; directions of eigenvalue 0 (round-off) move by $\Theta_{tx}t/n$."""
    eigenvalues, vectors = jnp.linalg.eigh(jnp.asarray(theta_xx, jnp.float64))
    n = len(eigenvalues)
    positive = eigenvalues > n * jnp.finfo(jnp.float64).eps * jnp.abs(eigenvalues).max()
    safe = jnp.where(positive, eigenvalues, 1.0)
    if t is None:
        factor = jnp.where(positive, 1 / safe, 0.0)
    else:
        time = jnp.asarray(t, jnp.float64)
        factor = jnp.where(positive, -jnp.expm1(-time * safe / n) / safe, time / n)
    return (jnp.asarray(theta_tx, jnp.float64) @ vectors) * factor @ vectors.T


def _cholesky(k_xx: Float[ArrayLike, "n n"], noise: float | Float[ArrayLike, ""]) -> Float[Array, "n n"]:
    matrix = jnp.asarray(k_xx, jnp.float64)
    return jnp.linalg.cholesky(matrix + noise * jnp.eye(len(matrix)), symmetrize_input=True)
