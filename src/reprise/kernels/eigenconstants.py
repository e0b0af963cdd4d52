r"""The two implicit constants of the eigenframework: $\kappa$ and $\gamma$ from a spectrum, samples, features and ridge.

Solves the equations that the module `eigenframework` states and uses.
"""

import functools
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Real

import reprise._x64  # noqa: F401

__all__ = ["Number", "Solution", "as_positive", "as_spectrum", "shares", "solve", "z_and_slope"]

Number: TypeAlias = float | Real[ArrayLike, "..."]
_State: TypeAlias = tuple[Array, Array, Array, Array, Array]
_MAX_STEPS = 200
_STEP = 4e-15  # in log gamma, hence relative


class Solution(NamedTuple):
    """The two implicit constants and the sums at them, each of the shape of the ridges."""

    kappa: Float[Array, "..."]
    gamma: Float[Array, "..."]
    z: Float[Array, "..."]
    q: Float[Array, "..."]


def solve(
    eigenvalues: Float[ArrayLike, " m"],
    n: Number,
    k: Number | None = None,
    ridge: Number = 0.0,
    *,
    tail: Number = 0.0,
) -> Solution:
    r"""Solve for $\kappa$ and $\gamma$ (see `eigenframework`) for every ridge.

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

    >>> s = solve(jnp.arange(1.0, 10_001) ** -1.5, n=256, k=1000, ridge=0.1)
    >>> print(f"{s.kappa:.6e} {s.gamma:.6e}")
    1.210454e-03 1.464353e-03
    """
    spectrum = as_spectrum(eigenvalues)
    n, k = as_positive(n, "n"), as_positive(jnp.inf if k is None else k, "k")
    deltas = jnp.asarray(ridge, jnp.float64)
    if not isinstance(deltas, jax.core.Tracer) and not bool(jnp.all(deltas >= 0)):
        raise ValueError("ridge must be at least 0")
    return _solve_all(spectrum, n, k, deltas, jnp.asarray(tail, jnp.float64))


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
            z, slope = z_and_slope(spectrum, tail, jnp.exp(u))
            inside = z < cap
            free, share = jnp.where(inside, n - z, 1.0), jnp.where(inside, 1 - z / k, 1.0)
            value = jnp.log(free) + jnp.log(share) + u - jnp.log(delta)
            derivative = slope / free + slope / (k * share) + 1
            at_zero = jnp.log(cap) - jnp.log(z), slope / z
            with_ridge = jnp.where(inside, value, -jnp.inf), derivative
            return jax.tree.map(lambda a, b: jnp.where(delta > 0, a, b), with_ridge, at_zero)

        def unfinished(state: _State) -> Array:
            _, low, high, step, count = state
            return (jnp.abs(step) > _STEP) & (high > low) & (count < _MAX_STEPS)

        def improve(state: _State) -> _State:
            u, low, high, _, count = state
            value, derivative = excess(u)
            low, high = jnp.where(value <= 0, u, low), jnp.where(value >= 0, u, high)
            newton = u - value / derivative
            good = (newton > low) & (newton < high)
            there = jnp.where(good, newton, (low + high) / 2)
            return there, low, high, there - u, count + 1

        low, high = jnp.log(low), jnp.log(high)
        start = (high, low, high, jnp.asarray(jnp.inf), jnp.asarray(0))
        root = jnp.exp(jax.lax.while_loop(unfinished, improve, start)[0])
        return jnp.where((delta == 0) & (modes <= cap), 0.0, root)

    gamma = jnp.vectorize(one)(n, k, ridge)
    z, slope = jnp.vectorize(functools.partial(z_and_slope, spectrum, tail))(gamma)
    # Two forms of kappa; each takes the difference that stays away from 0.
    from_ridge = ridge / jnp.where(k < n, n - z, 1.0)
    kappa = jnp.where(k < n, from_ridge, gamma * jnp.maximum(1 - z / k, 0.0))
    return Solution(kappa, gamma, z, z - slope)


def shares(spectrum: Array, gamma: Array) -> tuple[Array, Array]:
    r"""Return $\lambda_i/(\lambda_i+\gamma)$ and $\gamma/(\lambda_i+\gamma)$; 0 and 1 for modes that nothing can learn."""
    total = spectrum + gamma
    safe = jnp.where(total > 0, total, 1.0)
    return spectrum / safe, jnp.where(total > 0, gamma / safe, 1.0)


def z_and_slope(spectrum: Array, tail: Array, gamma: Array) -> tuple[Array, Array]:
    r"""Return $z$ and $z - q = -dz/d\log\gamma$ with the tail."""
    learnt, left = shares(spectrum, gamma)
    beyond = jnp.where(tail > 0, tail / jnp.where(gamma > 0, gamma, 1.0), 0.0)
    return jnp.sum(learnt) + beyond, jnp.sum(learnt * left) + beyond


def as_spectrum(eigenvalues: Float[ArrayLike, " m"]) -> Float[Array, " m"]:
    """Check a spectrum: a vector of numbers of at least 0."""
    spectrum = jnp.asarray(eigenvalues, jnp.float64)
    if spectrum.ndim != 1 or not spectrum.size:
        raise ValueError(f"eigenvalues must be a vector, got shape {spectrum.shape}")
    if not isinstance(spectrum, jax.core.Tracer) and not bool(jnp.all(spectrum >= 0)):
        raise ValueError("eigenvalues must be numbers of at least 0")
    return spectrum


def as_positive(value: Number, name: str) -> Float[Array, "..."]:
    """Check that ``value`` (called ``name`` in the message) is positive everywhere."""
    array = jnp.asarray(value, jnp.float64)
    if not isinstance(array, jax.core.Tracer) and not bool(jnp.all(array > 0)):
        raise ValueError(f"{name} must be positive, got {value}")
    return array
