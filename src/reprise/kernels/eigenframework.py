r"""What kernel and random-feature ridge regression are expected to achieve, from eigenvalues alone.

For a kernel with eigenvalues $\lambda_i$, a target with eigencoefficients $v_i$, noise variance $\sigma^2$, $n$ samples,
$k$ random features and ridge $\delta$ (added to the kernel matrix as is), $\kappa,\gamma>0$ solve

$$n = z + \frac\delta\kappa, \quad k = z + \frac{k\kappa}\gamma, \quad
z = \sum_i\frac{\lambda_i}{\lambda_i+\gamma}, \quad q = \sum_i\Big(\frac{\lambda_i}{\lambda_i+\gamma}\Big)^2,$$

$$E_{te} = \frac1{1-\frac{q(k-2z)+z^2}{n(k-q)}}\Big[\sum_i\Big(\frac\gamma{\lambda_i+\gamma}
-\frac{\kappa\lambda_i}{(\lambda_i+\gamma)^2}\frac k{k-q}\Big)v_i^2+\sigma^2\Big], \qquad
E_{tr} = \frac{\delta^2}{n^2\kappa^2}E_{te}$$

(Simon et al. 2024, the RF eigenframework). $k=\infty$ is kernel ridge regression, where $\gamma=\kappa$. Test errors
include the noise of the test label. Everything is float64 and maps over ridges.

Infinite spectra: what is beyond the last listed mode goes in as its sums, ``tail`` $=\sum_{i>M}\lambda_i$ and
``tail_power`` $=\sum_{i>M}v_i^2$. Modes with $\lambda_i\ll\gamma$ act through these sums alone: $z$ gains
$\text{tail}/\gamma$, and the risk gains ``tail_power``.
"""

# ruff: noqa: PT028 - test_error is an error on test points, no test

import functools
import math
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import scipy.optimize
import scipy.special
from jaxtyping import Array, ArrayLike, Float

import reprise._x64  # noqa: F401
from reprise.kernels.eigenconstants import (
    Number,
    Solution,
    as_positive,
    as_spectrum,
    shares,
    solve,
    z_and_slope,
)

__all__ = [
    "Errors",
    "Optimum",
    "Solution",
    "errors",
    "fitting_ratio_curve",
    "fitting_ratio_optimum",
    "optimal_ridge",
    "power_law",
    "power_law_tail",
    "solve",
    "test_error",
    "train_error",
]

Beyond: TypeAlias = tuple[Array, Array]
_GRID, _NARROWINGS = 256, 60
_GOLDEN = (math.sqrt(5) - 1) / 2


class Errors(NamedTuple):
    """Expected errors, each of the shape of the ridges; ``ratio`` is the fitting ratio, train error over test error."""

    test: Float[Array, "..."]
    train: Float[Array, "..."]
    ratio: Float[Array, "..."]


class Optimum(NamedTuple):
    """The best ridge, its expected test error, and the fitting ratio there, each of the shape of n, k and the noise."""

    ridge: Float[Array, "..."]
    test_error: Float[Array, "..."]
    ratio: Float[Array, "..."]


def power_law(alpha: float, m: int) -> Float[Array, " m"]:
    r"""Spectrum $i^{-\alpha}$ for $i = 1..m$: eigenvalues with $\alpha$, or powers $v_i^2$ with $\beta$ in its place.

    >>> print(power_law(2.0, 3).round(4))
    [1.     0.25   0.1111]
    """
    return jnp.arange(1, m + 1, dtype=jnp.float64) ** -alpha


def power_law_tail(alpha: float, m: int) -> float:
    r"""What `power_law` leaves out: $\sum_{i>m}i^{-\alpha} = \zeta(\alpha, m+1)$, the Hurwitz zeta function ($\alpha>1$).

    >>> round(power_law_tail(2.0, 0), 6)  # pi^2 / 6
    1.644934
    """
    if alpha <= 1:
        raise ValueError(f"the sum of i^-{alpha} diverges; alpha must exceed 1")
    return float(scipy.special.zeta(alpha, m + 1))


def errors(
    eigenvalues: Float[ArrayLike, " m"],
    power: Float[ArrayLike, " m"],
    n: Number,
    k: Number | None = None,
    ridge: Number = 0.0,
    *,
    noise: Number = 0.0,
    tail: Number = 0.0,
    tail_power: Number = 0.0,
) -> Errors:
    r"""Expected test and train error (see the module) for every ridge.

    Args:
        eigenvalues: $\lambda_i$, shape (m,).
        power: $v_i^2$, shape (m,).
        n: samples.
        k: random features; None or infinity for kernel ridge regression.
        ridge: $\delta$, any shape, which the results have.
        noise: $\sigma^2$, variance of the label noise, which the test error includes.
        tail: sum of the eigenvalues that are not listed.
        tail_power: sum of the powers that are not listed.

    >>> law = power_law(1.5, 10_000)
    >>> e = errors(law, law, n=256, k=1000, ridge=0.1, noise=0.5)
    >>> print(f"{e.test:.6f} {e.train:.6f}")
    0.954348 0.099387
    """
    spectrum, powers = as_spectrum(eigenvalues), jnp.asarray(power, jnp.float64)
    if powers.shape != spectrum.shape:
        raise ValueError(f"there are {spectrum.size} eigenvalues and {powers.size} powers")
    solution = solve(spectrum, n, k, ridge, tail=tail)
    n, k = as_positive(n, "n"), as_positive(jnp.inf if k is None else k, "k")
    beyond = jnp.asarray(tail, jnp.float64), jnp.asarray(tail_power, jnp.float64)
    test, left = _errors(spectrum, powers, beyond, solution.gamma, n, k, jnp.asarray(noise, jnp.float64))
    # n - z = delta / kappa; the second form is the accurate one where little is left over.
    positive = (solution.kappa > 0) & (n <= k)
    left = jnp.where(positive, ridge / jnp.where(positive, solution.kappa, 1.0), left) / n
    return Errors(test, jnp.where(left > 0, left**2 * test, 0.0), left**2)


def test_error(
    eigenvalues: Float[ArrayLike, " m"],
    power: Float[ArrayLike, " m"],
    n: Number,
    k: Number | None = None,
    ridge: Number = 0.0,
    *,
    noise: Number = 0.0,
    tail: Number = 0.0,
    tail_power: Number = 0.0,
) -> Float[Array, "..."]:
    """Expected test error; arguments as `errors`.

    >>> law = power_law(1.5, 10_000)
    >>> print(test_error(law, law, n=256, ridge=0.1, noise=0.5).round(6))
    0.883988
    """
    return errors(eigenvalues, power, n, k, ridge, noise=noise, tail=tail, tail_power=tail_power).test


test_error.__test__ = False  # type: ignore[attr-defined]  # its name makes pytest collect it


def train_error(
    eigenvalues: Float[ArrayLike, " m"],
    power: Float[ArrayLike, " m"],
    n: Number,
    k: Number | None = None,
    ridge: Number = 0.0,
    *,
    noise: Number = 0.0,
    tail: Number = 0.0,
    tail_power: Number = 0.0,
) -> Float[Array, "..."]:
    """Expected train error; arguments as `errors`.

    >>> law = power_law(1.5, 10_000)
    >>> print(train_error(law, law, n=256, ridge=0.1, noise=0.5).round(6))
    0.073432
    """
    return errors(eigenvalues, power, n, k, ridge, noise=noise, tail=tail, tail_power=tail_power).train


def optimal_ridge(
    eigenvalues: Float[ArrayLike, " m"],
    power: Float[ArrayLike, " m"],
    n: Number,
    k: Number | None = None,
    *,
    noise: Number = 0.0,
    tail: Number = 0.0,
    tail_power: Number = 0.0,
) -> Optimum:
    r"""Ridge $\delta\ge0$ of least expected test error; arguments as `errors`, and n, k and noise may be arrays.

    Searched over $\gamma$, of which $\delta = (n-z)(1-z/k)\gamma$ is an explicit increasing function: a grid of 256 values
    from the ridgeless $\gamma$ upwards, then golden sections around the best. Ridge 0 exactly if the ridgeless end wins.
    The error is accurate to 1e-14, its place to 1e-7, relative.

    >>> law = power_law(1.5, 10_000)
    >>> print(optimal_ridge(law, law, n=256, k=jnp.array([64, 256, jnp.inf]), noise=0.5).test_error.round(4))
    [1.0751 0.918  0.8374]
    """
    spectrum, powers = as_spectrum(eigenvalues), jnp.asarray(power, jnp.float64)
    n, k = as_positive(n, "n"), as_positive(jnp.inf if k is None else k, "k")
    ridgeless = solve(spectrum, n, k, jnp.zeros(jnp.broadcast_shapes(n.shape, k.shape)), tail=tail)
    beyond = jnp.asarray(tail, jnp.float64), jnp.asarray(tail_power, jnp.float64)
    return _optimum(spectrum, powers, beyond, ridgeless.gamma, n, k, jnp.asarray(noise, jnp.float64))


def fitting_ratio_curve(ratio: Number, alpha: float, beta: float, noise_rel: float = 0.0) -> Float[Array, "..."]:
    r"""Test error against fitting ratio $R = E_{tr}/E_{te}$ for power laws, relative to noise-free ridgeless error.

    $\big[(1-r)^{1-\beta}+\alpha\sigma_{rel}^2\big]/\big[1+(\alpha-1)r\big]$ with $r = \sqrt R$, in the continuum limit
    $n\to\infty$ of $\lambda_i = i^{-\alpha}$, $v_i^2 = i^{-\beta}$; ``noise_rel`` is $\sigma_{rel}^2$, the noise variance
    over that ridgeless error.

    >>> print(fitting_ratio_curve(0.0, 1.5, 1.2), fitting_ratio_curve(0.25, 1.12, 1.36).round(4))
    1.0 1.2108
    """
    _check_exponents(alpha, beta, noise_rel)
    r = jnp.sqrt(jnp.asarray(ratio, jnp.float64))
    return ((1 - r) ** (1 - beta) + alpha * noise_rel) / (1 + (alpha - 1) * r)


def fitting_ratio_optimum(alpha: float, beta: float, noise_rel: float = 0.0) -> float:
    r"""Fitting ratio $R^*$ of least test error for power laws, the minimum of `fitting_ratio_curve`.

    $R^* = r^2$ with $r$ the root in [0, 1) of $\alpha-\beta-(\alpha-1)\beta r+\alpha(\alpha-1)(1-r)^\beta\sigma_{rel}^2$, or
    0 if there is none: interpolation is optimal iff $\sigma_{rel}^2\le\frac{\beta-\alpha}{\alpha(\alpha-1)}$.

    >>> [round(fitting_ratio_optimum(1.5, *rest), 4) for rest in [(1.2, 0), (1.8, 0), (1.8, 1), (1.8, 5)]]
    [0.25, 0.0, 0.0444, 0.327]
    """
    _check_exponents(alpha, beta, noise_rel)

    def slope(r: float) -> float:
        noise = alpha * (alpha - 1) * (1 - r) ** beta * noise_rel
        return alpha - beta - (alpha - 1) * beta * r + noise

    if slope(0.0) <= 0:
        return 0.0
    return float(scipy.optimize.brentq(slope, 0.0, 1.0, xtol=1e-15)) ** 2


@jax.jit
def _errors(spectrum: Array, power: Array, beyond: Beyond, gamma: Array, n: Array, k: Array, noise: Array) -> Any:
    """Map `_errors_at` over arrays of the shapes of gamma, n, k and the noise."""
    return jnp.vectorize(functools.partial(_errors_at, spectrum, power, beyond))(gamma, n, k, noise)


def _errors_at(
    spectrum: Array, power: Array, beyond: Beyond, gamma: Array, n: Array, k: Array, noise: Array
) -> tuple[Array, Array]:
    r"""Return $E_{te}$ and $n - z$ at one $\gamma$, in sums of positive terms (no cancellation at small ridges)."""
    learnt, left = shares(spectrum, gamma)
    z, slope = z_and_slope(spectrum, beyond[0], gamma)
    q = z - slope
    risk = jnp.sum(left * (left + learnt * slope / (k - q)) * power) + beyond[1]
    free = jnp.maximum(n - z, 0.0)
    spread = free + slope * jnp.maximum(1 - z / k, 0.0) / (1 - q / k)
    return n / spread * (risk + noise), free


@jax.jit
def _optimum(
    spectrum: Array, power: Array, beyond: Beyond, ridgeless: Array, n: Array, k: Array, noise: Array
) -> Optimum:
    """Search the best gamma from the ridgeless one upwards, for every n, k and noise."""
    least = jnp.min(jnp.where(spectrum > 0, spectrum, jnp.inf))
    highest = jnp.log(1e4 * (jnp.sum(spectrum) + beyond[0]))

    def one(ridgeless: Array, n: Array, k: Array, noise: Array) -> tuple[Array, Array, Array]:
        def at(gamma: Array) -> tuple[Array, Array]:
            return _errors_at(spectrum, power, beyond, gamma, n, k, noise)

        def narrow(_: Any, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = ends
            step = _GOLDEN * (high - low)
            left, right = high - step, low + step
            better = at(jnp.exp(left))[0] < at(jnp.exp(right))[0]
            return jnp.where(better, low, left), jnp.where(better, right, high)

        lowest = jnp.log(jnp.maximum(ridgeless, 1e-12 * least))
        grid = jnp.linspace(lowest, highest, _GRID)
        values = jax.lax.map(lambda u: at(jnp.exp(u))[0], grid, batch_size=32)
        best = jnp.nanargmin(values)
        ends = grid[jnp.maximum(best - 1, 0)], grid[jnp.minimum(best + 1, _GRID - 1)]
        low, high = jax.lax.fori_loop(0, _NARROWINGS, narrow, ends)
        gamma = jnp.exp((low + high) / 2)
        test, free = at(gamma)
        end_test, end_free = at(ridgeless)
        end = end_test <= test
        ridge = free * jnp.maximum(1 - (n - free) / k, 0.0) * gamma
        ratio = (jnp.where(end, end_free, free) / n) ** 2
        return jnp.where(end, 0.0, ridge), jnp.where(end, end_test, test), ratio

    return Optimum(*jnp.vectorize(one)(ridgeless, n, k, noise))


def _check_exponents(alpha: float, beta: float, noise_rel: float) -> None:
    if not (alpha > 1 and 1 < beta < 2 * alpha + 1 and noise_rel >= 0):
        raise ValueError(
            f"needs alpha > 1, 1 < beta < 2 alpha + 1 and noise_rel >= 0, got {alpha}, {beta} and {noise_rel}"
        )
