r"""Student's t process: what a Gaussian process becomes if its overall scale is drawn from an inverse gamma law.

With $f\mid s\sim\mathcal N(0,sK)$ and $s\sim IG(a,b)$, density $\propto s^{-a-1}e^{-b/s}$, any $p$ values of $f$ follow
the multivariate $t$ law of $2a$ degrees of freedom and scale matrix $\frac baK$.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve, solve_triangular
from jax.scipy.special import gammaln
from jaxtyping import Array, ArrayLike, Float

import reprise._x64  # noqa: F401

Scalar = float | Float[Array, ""]


class Student(NamedTuple):
    """A multivariate t law over the function at some points; ``shape`` is its scale matrix, not its covariance."""

    dof: Scalar
    mean: Float[Array, " t"]
    shape: Float[Array, "t t"]


def prior(k_tt: Float[ArrayLike, "t t"], a: Scalar, b: Scalar) -> Student:
    r"""The limit at initialisation, $t_{2a}(0,\frac baK)$.

    >>> law = prior(jnp.eye(2), a=2.0, b=3.0)
    >>> float(law.dof), law.shape.tolist()
    (4.0, [[1.5, 0.0], [0.0, 1.5]])
    """
    k = jnp.asarray(k_tt, jnp.float64)
    return Student(2 * a, jnp.zeros(len(k)), b / a * k)


@jax.jit
def posterior(
    k_tt: Float[ArrayLike, "t t"],
    k_tx: Float[ArrayLike, "t n"],
    k_xx: Float[ArrayLike, "n n"],
    y: Float[ArrayLike, " n"],
    a: Scalar,
    b: Scalar,
) -> Student:
    r"""Given $n$ values $y$: $t_{2a+n}\big(K_{tx}K_{xx}^{-1}y,\ \frac{b+q/2}{a+n/2}(K_{tt}-K_{tx}K_{xx}^{-1}K_{xt})\big)$.

    Here $q=y^\top K_{xx}^{-1}y$, for the scale given the data is $IG(a+\frac n2,b+\frac q2)$. Noise belongs into
    ``k_xx`` (and into ``k_tt`` for new observations) and is scaled with the function. The mean is the Gaussian process's.

    >>> one = jnp.ones((1, 1))
    >>> law = posterior(one, 0.5 * one, one, jnp.array([2.0]), a=2.0, b=2.0)
    >>> print(law.dof, law.mean, law.shape)
    5.0 [1.] [[1.2]]
    """
    targets, cross = jnp.asarray(y, jnp.float64), jnp.asarray(k_tx, jnp.float64)
    factor = jnp.linalg.cholesky(jnp.asarray(k_xx, jnp.float64))
    half = solve_triangular(factor, cross.T, lower=True)
    solved = cho_solve((factor, True), targets)
    n = len(targets)
    scale = (b + 0.5 * targets @ solved) / (a + 0.5 * n)
    return Student(2 * a + n, cross @ solved, scale * (jnp.asarray(k_tt, jnp.float64) - half.T @ half))


@jax.jit
def trained(
    k_tt: Float[ArrayLike, "t t"],
    k_tx: Float[ArrayLike, "t n"],
    k_xx: Float[ArrayLike, "n n"],
    y: Float[ArrayLike, " n"],
    a: Scalar,
    b: Scalar,
    *,
    theta_tx: Float[ArrayLike, "t n"] | None = None,
    theta_xx: Float[ArrayLike, "n n"] | None = None,
) -> Student:
    r"""Networks after gradient descent to zero loss: $t_{2a}(Ay,\frac ba(K_{tt}+AK_{xx}A^\top-AK_{xt}-K_{tx}A^\top))$.

    $A=\Theta_{tx}\Theta_{xx}^{-1}$ with the tangent kernel $\Theta$ of the parameters that are trained: all (give
    ``theta_tx`` and ``theta_xx``), or the last layer alone, where $\Theta=K$. Scale and degrees of freedom are the
    *prior's*: training interpolates, it does not condition.
    """
    k, cross, inner = (jnp.asarray(m, jnp.float64) for m in (k_tt, k_tx, k_xx))
    left = cross if theta_tx is None else jnp.asarray(theta_tx, jnp.float64)
    right = inner if theta_xx is None else jnp.asarray(theta_xx, jnp.float64)
    gain = jnp.linalg.solve(right, left.T).T
    moved = gain @ cross.T
    covariance = k + gain @ inner @ gain.T - moved - moved.T
    return Student(2 * a, gain @ jnp.asarray(y, jnp.float64), b / a * covariance)


def log_density(
    square: Float[Array, "..."], log_det: Float[Array, "..."], p: int, dof: Scalar, scale: Scalar
) -> Float[Array, "..."]:
    r"""$\log t_\nu(y;m,cS)$ of $p$ values from $(y-m)^\top S^{-1}(y-m)$, $\log|S|$ and the factor $c$.

    >>> print(log_density(jnp.array(0.0), jnp.array(0.0), 1, 1.0, 1.0).round(6))  # Cauchy: -log(pi)
    -1.14473
    """
    constant = gammaln(0.5 * (dof + p)) - gammaln(0.5 * dof) - 0.5 * p * jnp.log(jnp.pi * dof)
    return constant - 0.5 * (log_det + p * jnp.log(scale)) - 0.5 * (dof + p) * jnp.log1p(square / (dof * scale))


def gaussian_log_density(
    square: Float[Array, "..."], log_det: Float[Array, "..."], p: int, scale: Scalar
) -> Float[Array, "..."]:
    r"""$\log\mathcal N(y;m,cS)$ from the same quantities."""
    return -0.5 * (p * jnp.log(2 * jnp.pi * scale) + log_det + square / scale)
