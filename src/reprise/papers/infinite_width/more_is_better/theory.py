r"""What the paper's formulas predict for power-law tasks: grids of errors, best ridges, admissible fitting ratios.

The eigenframework itself is `reprise.kernels.eigenframework`. Here it is evaluated over grids of sample sizes and widths,
minimised over the ridge, and read in terms of the fitting ratio $R=E_{tr}/E_{te}$.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import scipy.optimize
from jaxtyping import Array, ArrayLike, Float

from reprise.kernels import eigenframework as ef

__all__ = [
    "IMAGE_EXPONENTS",
    "LawTask",
    "admissible_ratio",
    "best_errors",
    "best_ratios",
    "error_grid",
    "ratio_map",
    "tails",
]

IMAGE_EXPONENTS = {"CIFAR-10": (1.17, 1.14), "SVHN": (1.22, 1.20), "MNIST": (1.12, 1.36)}
"""Exponents (alpha, beta) that the authors' code holds for the convolutional kernel on 32 x 32 images."""

_GOLDEN = (np.sqrt(5) - 1) / 2
_STEPS = 48  # shrinks the bracket of log ridge by 1e-10, hence the error at the minimum by its square


class LawTask(NamedTuple):
    r"""Eigenvalues $i^{-\alpha}$, powers $i^{-\beta}$, noise variance over the noise-free ridgeless test error."""

    alpha: float
    beta: float
    noise_rel: float = 0.0

    @classmethod
    def several(cls, flat: Sequence[float]) -> "list[LawTask]":
        """Tasks from a flat list of triples, as a notebook's parameter holds them.

        >>> LawTask.several([1.5, 1.2, 0.0])
        [LawTask(alpha=1.5, beta=1.2, noise_rel=0.0)]
        """
        if len(flat) % 3:
            raise ValueError(f"tasks come in triples alpha, beta, noise_rel; got {len(flat)} numbers")
        return [cls(*flat[i : i + 3]) for i in range(0, len(flat), 3)]

    def __str__(self) -> str:
        law = f"α = {self.alpha:g}, β = {self.beta:g}"
        return f"{law}, noise {self.noise_rel:g}" if self.noise_rel else law


def tails(alpha: float, beta: float, modes: int) -> tuple[float, float]:
    """Sums of eigenvalues and of powers beyond the listed modes."""
    return ef.power_law_tail(alpha, modes), ef.power_law_tail(beta, modes)


@jax.jit
def _errors(spectrum: Array, power: Array, n: Array, k: Array, ridges: Array, noise: Array) -> tuple[Array, Array]:
    found = ef.errors(spectrum, power, n, k, ridges, noise=noise)
    return found.test, found.train


def error_grid(
    eigenvalues: Float[ArrayLike, " m"],
    power: Float[ArrayLike, " m"],
    *,
    ns: Sequence[float] | np.ndarray,
    widths: Sequence[float],
    ridges: Float[ArrayLike, " r"],
    noise: float = 0.0,
) -> tuple[Float[np.ndarray, "n k r"], Float[np.ndarray, "n k r"]]:
    """Expected test and train errors over sample sizes, widths (infinity for the kernel itself) and ridges."""
    n, k = jnp.asarray(ns, jnp.float64)[:, None, None], jnp.asarray(widths, jnp.float64)[:, None]
    spectrum, powers, deltas = (jnp.asarray(a, jnp.float64) for a in (eigenvalues, power, ridges))
    test, train = _errors(spectrum, powers, n, k, deltas, jnp.asarray(noise, jnp.float64))
    return np.asarray(test), np.asarray(train)


@jax.jit
def _best_over_grid(spectrum: Array, power: Array, n: Array, k: Array, noise: Array) -> tuple[Array, Array]:
    def error(log_ridge: Array) -> Array:
        return ef.test_error(spectrum, power, n, k, jnp.exp(log_ridge), noise=noise)

    return _minimise(error, -12.0, 12.0, jnp.shape(n))


def best_errors(
    eigenvalues: Float[Array, " m"],
    power: Float[Array, " m"],
    *,
    ns: Sequence[float],
    widths: Sequence[float],
    noise: float,
) -> Float[np.ndarray, "n k"]:
    """Expected test error at the best ridge for every sample size and width, to some 1e-12 relative."""
    n, k = (jnp.asarray(g, jnp.float64) for g in np.meshgrid(ns, widths, indexing="ij"))
    return np.asarray(_best_over_grid(jnp.asarray(eigenvalues), jnp.asarray(power), n, k, jnp.asarray(noise))[1])


@functools.partial(jax.jit, static_argnames="modes")
def _best_ratio(task: Array, sums: Array, n: Array, *, modes: int) -> Array:
    index = jnp.arange(1, modes + 1, dtype=jnp.float64)
    spectrum, power = index ** -task[0], index ** -task[1]
    errors = functools.partial(ef.errors, spectrum, power, n, tail=sums[0], tail_power=sums[1])
    noise = task[2] * errors(ridge=jnp.asarray(0.0)).test
    at, _ = _minimise(lambda u: errors(ridge=jnp.exp(u), noise=noise).test, -25.0, 12.0, ())
    return errors(ridge=jnp.exp(at), noise=noise).ratio


def best_ratios(
    tasks: Sequence[LawTask], ns: Sequence[int], *, modes: int, with_tails: bool = True
) -> Float[np.ndarray, "task n"]:
    """Fitting ratio at the best ridge of the discrete eigenframework, mode by mode up to ``modes`` and then in sum.

    ``with_tails=False`` drops what lies beyond the last mode, in the spectrum and in the target.
    """
    found = [
        [
            _best_ratio(
                jnp.asarray(task, jnp.float64),
                jnp.asarray(tails(task.alpha, task.beta, modes)) * with_tails,
                jnp.asarray(n, jnp.float64),
                modes=modes,
            )
            for n in ns
        ]
        for task in tasks
    ]
    return np.asarray(found)


def _minimise(
    function: Callable[[Array], Array], low: float, high: float, shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """Golden-section search for the minimum of a unimodal function, elementwise."""

    def shrink(_: int, state: tuple[Array, ...]) -> tuple[Array, ...]:
        low, high, left, right, at_left, at_right = state
        down = at_left < at_right
        low, high = jnp.where(down, low, left), jnp.where(down, right, high)
        fresh = jnp.where(down, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        value = function(fresh)
        kept, kept_value = jnp.where(down, left, right), jnp.where(down, at_left, at_right)
        left, at_left = jnp.where(down, fresh, kept), jnp.where(down, value, kept_value)
        right, at_right = jnp.where(down, kept, fresh), jnp.where(down, kept_value, value)
        return low, high, left, right, at_left, at_right

    ends = jnp.full(shape, low), jnp.full(shape, high)
    left, right = (jnp.full(shape, end) for end in (high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)))
    state = (*ends, left, right, function(left), function(right))
    low_, high_, *_ = jax.lax.fori_loop(0, _STEPS, shrink, state)
    middle = (low_ + high_) / 2
    return middle, function(middle)


def admissible_ratio(task: LawTask, excess: float = 0.05) -> float:
    r"""Largest fitting ratio whose test error is within ``excess`` of the least, in the continuum limit.

    The root above $R^*$ of $E_{te}(R) = (1+\text{excess})\,E_{te}(R^*)$; the curve diverges at $R=1$.

    >>> round(admissible_ratio(LawTask(1.5, 1.8)), 4), round(admissible_ratio(LawTask(1.5, 1.5)), 3)
    (0.018, 0.112)
    """
    best = ef.fitting_ratio_optimum(*task)

    def above(r: float) -> float:
        return _curve(r * r, task) - (1 + excess) * _curve(best, task)

    return float(scipy.optimize.brentq(above, np.sqrt(best), 1 - 1e-12, xtol=1e-13)) ** 2


def _curve(ratio: float, task: LawTask) -> float:
    alpha, beta, noise_rel = task
    r = np.sqrt(ratio)
    return float(((1 - r) ** (1 - beta) + alpha * noise_rel) / (1 + (alpha - 1) * r))


def ratio_map(alphas: Sequence[float], margins: Sequence[float], excess: float = 0.05) -> pd.DataFrame:
    """`admissible_ratio` of noise-free tasks over alpha and the margin beta - alpha; tidy, one row a pair."""
    rows = [
        {"alpha": a, "beta_minus_alpha": m, "admissible_ratio": admissible_ratio(LawTask(a, a + m), excess)}
        for a in alphas
        for m in margins
        if 1 < a + m < 2 * a + 1
    ]
    return pd.DataFrame(rows)
