r"""Regression with a Gaussian or a Student's t process of the same network kernel, hyperparameters by evidence.

Both have $y\sim\mathcal N(0,v(K+\epsilon I))$ given the scale; the Student's t process divides by one more random number.
Learnt are the weight and bias scales of the kernel, $v$ and $\epsilon$ (the paper's $b$ is not separate from $v$: only
$v=\frac ba\sigma_w^2$ matters), by L-BFGS on the exact evidence from the same starts with the same number of steps.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve, solve_triangular
from jaxtyping import Array, Float
from scipy import optimize, special, stats

import reprise._x64  # noqa: F401
from reprise.papers.infinite_width.scale_mixture_nngp import architectures, laws

STARTS = ((0.5, -1.0, 0.0, -2.0), (0.0, 0.0, 0.5, -4.0))
"""Logarithms of weight scale, bias scale, v and epsilon from which both processes are optimised."""

BOUNDS = ((-1.5, 2.0), (-5.0, 2.0), (-7.0, 9.0), (-12.0, 3.0))


class Fit(NamedTuple):
    """Learnt hyperparameters; `a` is infinite for the Gaussian process."""

    theta: Float[np.ndarray, " 4"]
    evidence: float
    a: float


class Prediction(NamedTuple):
    """Laws of new observations at the test points: t with `dof` degrees of freedom, normal if infinite."""

    mean: Float[np.ndarray, " t"]
    spread: Float[np.ndarray, " t"]
    dof: float
    q: float = np.nan  # y' (K + eps)^-1 y of the training labels

    def nll(self, y: Float[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
        """Negative log density of each observation."""
        z = (y - self.mean) / self.spread
        law = stats.norm if np.isinf(self.dof) else stats.t(self.dof)
        return np.log(self.spread) - law.logpdf(z)

    def covered(self, y: Float[np.ndarray, " t"], level: float = 0.95) -> float:
        """Share of observations inside the central interval."""
        law = stats.norm if np.isinf(self.dof) else stats.t(self.dof)
        return float(np.mean(np.abs(y - self.mean) < self.spread * law.ppf(0.5 + level / 2)))


def evidence(
    theta: Float[Array, " 4"], x: Float[Array, "n d"], y: Float[Array, " n"], a: float, *, hidden: int, activation: str
) -> Float[Array, ""]:
    r"""$\log t_{2a}(y;0,v(K+\epsilon I))$, or the Gaussian's where ``a`` is infinite; $O(n^3)$."""
    factor, v = _factor(theta, x, hidden, activation)
    square = jnp.sum(solve_triangular(factor, y, lower=True) ** 2)
    log_det = 2 * jnp.sum(jnp.log(jnp.diagonal(factor)))
    finite = jnp.isfinite(a)
    student = laws.log_density(square, log_det, len(y), 2 * jnp.where(finite, a, 1.0), v)
    return jnp.where(finite, student, laws.gaussian_log_density(square, log_det, len(y), v))


@partial(jax.jit, static_argnames=("hidden", "activation"))
def _loss(theta: Array, x: Array, y: Array, a: float, *, hidden: int, activation: str) -> tuple[Array, Array]:
    return jax.value_and_grad(lambda t: -evidence(t, x, y, a, hidden=hidden, activation=activation) / len(y))(theta)


def fit(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    a: float,
    *,
    hidden: int,
    activation: str,
    steps: int,
    starts: Sequence[Sequence[float] | np.ndarray] = STARTS,
) -> Fit:
    """Best evidence from all starts; `a` infinite for a Gaussian process."""
    inputs, targets = jnp.asarray(x), jnp.asarray(y)

    def value(theta: np.ndarray) -> tuple[float, np.ndarray]:
        loss, slope = _loss(jnp.asarray(theta), inputs, targets, a, hidden=hidden, activation=activation)
        found = float(loss), np.asarray(slope, np.float64)
        return found if np.isfinite(found[0]) and np.isfinite(found[1]).all() else (1e3, np.zeros(4))

    options = {"maxiter": steps, "maxfun": 2 * steps}
    ends = [
        optimize.minimize(value, start, jac=True, method="L-BFGS-B", bounds=BOUNDS, options=options) for start in starts
    ]
    best = min(ends, key=lambda e: e.fun)
    return Fit(np.asarray(best.x), -float(best.fun) * len(y), a)


@partial(jax.jit, static_argnames=("hidden", "activation"))
def _predict(
    theta: Array, x: Array, y: Array, x_test: Array, *, hidden: int, activation: str
) -> tuple[Array, Array, Array]:
    """Mean, variance of a new observation over v, and q = y'(K + eps)^-1 y."""
    factor, _ = _factor(theta, x, hidden, activation)
    w, b, _, noise = jnp.exp(theta)
    cross = architectures.mlp(x_test, x, hidden=hidden, activation=activation, w_std=w, b_std=b)
    own = architectures.mlp_variance(x_test, hidden=hidden, activation=activation, w_std=w, b_std=b)
    half = solve_triangular(factor, cross.T, lower=True)
    solved = cho_solve((factor, True), y)
    return cross @ solved, own + noise - jnp.sum(half**2, axis=0), y @ solved


def predict(
    found: Fit,
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    x_test: Float[np.ndarray, "t d"],
    *,
    hidden: int,
    activation: str,
) -> Prediction:
    r"""Gaussian: variance $v\,c$; Student: $2a+n$ degrees of freedom and squared spread $\frac{av+q/2}{a+n/2}c$."""
    mean, variance, q = (
        np.asarray(part)
        for part in _predict(
            jnp.asarray(found.theta), jnp.asarray(x), jnp.asarray(y), jnp.asarray(x_test), hidden=hidden,
            activation=activation,
        )
    )  # fmt: skip
    v, n = float(np.exp(found.theta[2])), len(y)
    if np.isinf(found.a):
        return Prediction(mean, np.sqrt(v * variance), np.inf, float(q))
    scale = (found.a * v + 0.5 * float(q)) / (found.a + 0.5 * n)
    return Prediction(mean, np.sqrt(scale * variance), 2 * found.a + n, float(q))


def gain_of_point_mass(q: float, n: int, a: float) -> float:
    r"""Log evidence gained by $a\to\infty$ for given $K$ and $\epsilon$, each with its own best $v$ on a fine grid.

    >>> gain_of_point_mass(100.0, 100, 2.0) > 1.5
    True
    """
    v = q / n * np.exp(np.linspace(-4, 4, 401))
    gauss = -0.5 * (n * np.log(v) + q / v)
    student = special.gammaln(a + 0.5 * n) - special.gammaln(a) - 0.5 * n * np.log(a * v)
    student -= (a + 0.5 * n) * np.log1p(q / (2 * a * v))
    return float(gauss.max() - student.max())


def _factor(theta: Array, x: Array, hidden: int, activation: str) -> tuple[Array, Array]:
    w, b, v, noise = jnp.exp(theta)
    k = architectures.mlp(x, x, hidden=hidden, activation=activation, w_std=w, b_std=b)
    return jnp.linalg.cholesky(k + (noise + 1e-8) * jnp.eye(len(x))), v
