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
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
import scipy.special
from jaxtyping import Array, ArrayLike, Float

import reprise._x64  # noqa: F401

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

Number: TypeAlias = float | Float[ArrayLike, "..."]
_MAX_STEPS = 200
_STEP = 4e-15  # in log gamma, hence relative


class Solution(NamedTuple):
    """The two implicit constants and the sums at them, each of the shape of the ridges."""

    kappa: Float[Array, "..."]
    gamma: Float[Array, "..."]
    z: Float[Array, "..."]
    q: Float[Array, "..."]


class Errors(NamedTuple):
    """Expected errors, each of the shape of the ridges; ``ratio`` is the fitting ratio, train error over test error."""

    test: Float[Array, "..."]
    train: Float[Array, "..."]
    ratio: Float[Array, "..."]


class Optimum(NamedTuple):
    """The best ridge, its expected test error, and the fitting ratio there."""

    ridge: float
    test_error: float
    ratio: float


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


def solve(
    eigenvalues: Float[ArrayLike, " m"],
    n: Number,
    k: Number | None = None,
    ridge: Number = 0.0,
    *,
    tail: Number = 0.0,
) -> Solution:
    r"""Solve for $\kappa$ and $\gamma$ (see the module) for every ridge.

    With $\kappa = \gamma(1-z/k)$ one equation is left, $(n-z(\gamma))(1-z(\gamma)/k)\gamma = \delta$, whose left side
    increases with $\gamma$ on the branch $z<\min(n,k)$. Its root in $\log\gamma$ is bracketed and found by Newton's
    method that falls back to bisection: a few tens of sums over the spectrum a ridge, relative accuracy about 1e-14.

    Args:
        eigenvalues: $\lambda_i\ge0$, shape (m,).
        n: samples.
        k: random features; None or infinity for kernel ridge regression.
        ridge: $\delta\ge0$, any shape; at 0 the limit from above. It is 0 for $\gamma$ if fewer modes than samples are
            there to be learnt.
        tail: sum of the eigenvalues that are not listed.

    >>> s = solve(power_law(1.5, 10_000), n=256, k=1000, ridge=0.1)
    >>> print(f"{s.kappa:.6e} {s.gamma:.6e}")
    1.210454e-03 1.464353e-03
    """
    spectrum = _spectrum(eigenvalues)
    n, k = _positive(n, "n"), _positive(jnp.inf if k is None else k, "k")
    deltas = jnp.asarray(ridge, jnp.float64)
    if not isinstance(deltas, jax.core.Tracer) and not bool(jnp.all(deltas >= 0)):
        raise ValueError("ridge must be at least 0")
    return _solve_all(spectrum, n, k, deltas, jnp.asarray(tail, jnp.float64))


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
    spectrum, powers = _spectrum(eigenvalues), jnp.asarray(power, jnp.float64)
    if powers.shape != spectrum.shape:
        raise ValueError(f"there are {spectrum.size} eigenvalues and {powers.size} powers")
    solution = solve(spectrum, n, k, ridge, tail=tail)
    n, k = _positive(n, "n"), _positive(jnp.inf if k is None else k, "k")
    test, left = jnp.vectorize(_errors_at, excluded=(0, 1, 2))(
        spectrum, powers, jnp.asarray(tail, jnp.float64), solution.gamma, n, k, noise, tail_power
    )
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
    n: float,
    k: float | None = None,
    *,
    noise: float = 0.0,
    tail: float = 0.0,
    tail_power: float = 0.0,
) -> Optimum:
    r"""Ridge $\delta\ge0$ of least expected test error; arguments as `errors`.

    Searched over $\gamma$, of which $\delta = (n-z)(1-z/k)\gamma$ is an explicit increasing function: a grid of 256 values
    from the ridgeless $\gamma$ upwards, then a bounded search around the best. Ridge 0 exactly if the ridgeless end wins.

    >>> law = power_law(1.5, 10_000)
    >>> print(f"{optimal_ridge(law, law, n=256, k=64, noise=0.5).test_error:.4f}")
    1.0751
    """
    spectrum, powers = _spectrum(eigenvalues), jnp.asarray(power, jnp.float64)
    features = jnp.inf if k is None else k
    ridgeless = solve(spectrum, n, features, 0.0, tail=tail)
    listed = spectrum[spectrum > 0]
    lowest = max(float(ridgeless.gamma), 1e-12 * float(listed.min()))
    highest = 1e4 * (float(spectrum.sum()) + tail)

    @jax.jit
    def at(log_gamma: Array) -> tuple[Array, Array]:
        return jax.vmap(_errors_at, (None, None, None, 0, None, None, None, None))(
            spectrum, powers, tail, jnp.exp(log_gamma), n, features, noise, tail_power
        )

    grid = np.linspace(math.log(lowest), math.log(highest), 256)
    values = np.asarray(at(jnp.asarray(grid))[0])
    best = int(np.nanargmin(values))
    found = scipy.optimize.minimize_scalar(
        lambda u: float(at(jnp.array([u]))[0][0]),
        bounds=(grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]),
        method="bounded",
        options={"xatol": 1e-9},
    )
    end = errors(spectrum, powers, n, features, 0.0, noise=noise, tail=tail, tail_power=tail_power)
    if float(end.test) <= found.fun:
        return Optimum(0.0, float(end.test), float(end.ratio))
    gamma = math.exp(found.x)
    left = float(at(jnp.array([found.x]))[1][0])
    z = float(n) - left
    return Optimum(left * (1 - z / features) * gamma, float(found.fun), (left / n) ** 2)


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
def _solve_all(spectrum: Array, n: Array, k: Array, ridge: Array, tail: Array) -> Solution:
    listed = spectrum > 0
    modes = jnp.where(tail > 0, jnp.inf, jnp.sum(listed))
    least = jnp.min(jnp.where(listed, spectrum, jnp.inf), initial=jnp.inf)
    total = jnp.sum(spectrum) + tail

    def one(n: Array, k: Array, delta: Array) -> Array:
        cap = jnp.minimum(n, k)
        low = jnp.where(delta > 0, delta / n, jnp.minimum(least / (2 * (modes + 1)), total))
        low = jnp.where((delta == 0) & (tail > 0), jnp.minimum(least, tail / cap) / 2, low)
        high = jnp.maximum(2 * total / cap, 4 * delta / n)

        def excess(u: Array) -> tuple[Array, Array]:
            """Return a function of log gamma that increases through 0 at the root, and its derivative."""
            z, slope = _z_and_slope(spectrum, tail, jnp.exp(u))
            inside = z < cap
            free, share = jnp.where(inside, n - z, 1.0), jnp.where(inside, 1 - z / k, 1.0)
            value = jnp.log(free) + jnp.log(share) + u - jnp.log(delta)
            derivative = slope / free + slope / (k * share) + 1
            at_zero = jnp.log(cap) - jnp.log(z), slope / z
            with_ridge = jnp.where(inside, value, -jnp.inf), derivative
            return jax.tree.map(lambda a, b: jnp.where(delta > 0, a, b), with_ridge, at_zero)

        def unfinished(state: tuple[Array, ...]) -> Array:
            _, low, high, step, count = state
            return (jnp.abs(step) > _STEP) & (high > low) & (count < _MAX_STEPS)

        def improve(state: tuple[Array, ...]) -> tuple[Array, ...]:
            u, low, high, _, count = state
            value, derivative = excess(u)
            low, high = jnp.where(value <= 0, u, low), jnp.where(value >= 0, u, high)
            newton = u - value / derivative
            good = (newton > low) & (newton < high)
            there = jnp.where(good, newton, (low + high) / 2)
            return there, low, high, there - u, count + 1

        low, high = jnp.log(low), jnp.log(high)
        start = (high, low, high, jnp.inf, 0)
        root = jnp.exp(jax.lax.while_loop(unfinished, improve, start)[0])
        return jnp.where((delta == 0) & (modes <= cap), 0.0, root)

    gamma = jnp.vectorize(one)(n, k, ridge)
    z, slope = jnp.vectorize(functools.partial(_z_and_slope, spectrum, tail))(gamma)
    return Solution(gamma * jnp.maximum(1 - z / k, 0.0), gamma, z, z - slope)


def _shares(spectrum: Array, gamma: Array) -> tuple[Array, Array]:
    r"""Return $\lambda_i/(\lambda_i+\gamma)$ and $\gamma/(\lambda_i+\gamma)$; 0 and 1 for modes that nothing can learn."""
    total = spectrum + gamma
    safe = jnp.where(total > 0, total, 1.0)
    return spectrum / safe, jnp.where(total > 0, gamma / safe, 1.0)


def _z_and_slope(spectrum: Array, tail: Array, gamma: Array) -> tuple[Array, Array]:
    r"""Return $z$ and $z - q = -dz/d\log\gamma$ with the tail."""
    learnt, left = _shares(spectrum, gamma)
    beyond = jnp.where(tail > 0, tail / jnp.where(gamma > 0, gamma, 1.0), 0.0)
    return jnp.sum(learnt) + beyond, jnp.sum(learnt * left) + beyond


def _errors_at(
    spectrum: Array,
    power: Array,
    tail: Array,
    gamma: Array,
    n: Array,
    k: Array,
    noise: Array,
    tail_power: Array,
) -> tuple[Array, Array]:
    r"""Return $E_{te}$ and $n - z$ at one $\gamma$, in sums of positive terms (no cancellation at small ridges)."""
    learnt, left = _shares(spectrum, gamma)
    z, slope = _z_and_slope(spectrum, tail, gamma)
    q = z - slope
    risk = jnp.sum(left * (left + learnt * slope / (k - q)) * power) + tail_power
    free = jnp.maximum(n - z, 0.0)
    spread = free + slope * jnp.maximum(1 - z / k, 0.0) / (1 - q / k)
    return n / spread * (risk + noise), free


def _spectrum(eigenvalues: Float[ArrayLike, " m"]) -> Float[Array, " m"]:
    spectrum = jnp.asarray(eigenvalues, jnp.float64)
    if spectrum.ndim != 1 or not spectrum.size:
        raise ValueError(f"eigenvalues must be a vector, got shape {spectrum.shape}")
    if not isinstance(spectrum, jax.core.Tracer) and not bool(jnp.all(spectrum >= 0)):
        raise ValueError("eigenvalues must be numbers of at least 0")
    return spectrum


def _positive(value: Number, name: str) -> Float[Array, "..."]:
    array = jnp.asarray(value, jnp.float64)
    if not isinstance(array, jax.core.Tracer) and not bool(jnp.all(array > 0)):
        raise ValueError(f"{name} must be positive, got {value}")
    return array


def _check_exponents(alpha: float, beta: float, noise_rel: float) -> None:
    if not (alpha > 1 and 1 < beta < 2 * alpha + 1 and noise_rel >= 0):
        raise ValueError(
            f"needs alpha > 1, 1 < beta < 2 alpha + 1 and noise_rel >= 0, got {alpha}, {beta} and {noise_rel}"
        )
