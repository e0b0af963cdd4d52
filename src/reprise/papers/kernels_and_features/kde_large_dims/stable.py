r"""The totally asymmetric stable law and fits of two laws to kernel sums.

$F$ comes from Nolan's form of Zolotarev's integral (Nolan 1997, Theorem 1) in one parametrisation for all indices,
tabulated once for each index. Location and scale are all that is fitted, for the stable law as for the Gaussian, and
both are fitted to the same end: the smallest Kolmogorov distance to the sample.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy import optimize, special, stats

Array = Float[np.ndarray, " n"]
PANELS, NODES = 24, 50
"""Panels of the integral over the angle, and Gauss-Legendre nodes in each."""


def cdf(x: Array, index: float) -> Array:
    r"""Distribution function of the stable law with index $\mu\ne1$, skewness 1, scale 1, location 0 (Nolan's $S_0$)."""
    x = np.asarray(x, dtype=np.float64)
    zeta = -np.tan(0.5 * np.pi * index)
    right = x > zeta
    found = np.zeros_like(x)
    found[right] = _beyond(x[right] - zeta, index, 1.0)
    if index > 1.0:  # below index 1 nothing lies to the left
        found[~right] = 1.0 - _beyond(zeta - x[~right], index, -1.0)
    return np.clip(found, 0.0, 1.0)


def _beyond(gap: Array, index: float, beta: float) -> Array:
    """The integral for x above zeta, gap = x - zeta."""
    tangent = beta * np.tan(0.5 * np.pi * index)
    theta0 = np.arctan(tangent) / index
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    width = (0.5 * np.pi + theta0) / PANELS
    theta = np.ravel(-theta0 + width * (np.arange(PANELS)[:, None] + 0.5 * (nodes + 1.0)))
    weights = np.tile(0.5 * width * weights, PANELS)
    power = index / (index - 1.0)
    log_v = (
        np.log(np.cos(index * theta0)) / (index - 1.0)
        + power * (np.log(np.cos(theta)) - np.log(np.sin(index * (theta0 + theta))))
        + np.log(np.cos(index * theta0 + (index - 1.0) * theta))
        - np.log(np.cos(theta))
    )
    log_g = power * np.log(np.maximum(gap, 1e-300))
    inside = np.exp(-np.exp(np.clip(log_g[:, None] + log_v, -700.0, 700.0))) @ weights
    first = (0.5 * np.pi - theta0) / np.pi if index < 1.0 else 1.0
    return np.asarray(first + np.sign(1.0 - index) / np.pi * inside)


@lru_cache(maxsize=16)
def table(index: float) -> tuple[np.ndarray, np.ndarray]:
    """The distribution function on a grid that is even in asinh(x - zeta), relative to zeta; (places, values)."""
    places = np.sinh(np.linspace(-9.0, 18.0 if index > 1 else 9.0 / index, 1200))
    if index < 1.0:
        places = np.concatenate([[0.0], np.exp(np.linspace(-6.0, 9.0 / index, 1199))])
    return places, cdf(places - np.tan(0.5 * np.pi * index), index)


def law(index: float) -> Callable[[Array], Array]:
    """Fast distribution function of the stable law by interpolation, centred at zeta."""
    places, values = table(index)
    return lambda x: np.interp(x, places, values)


def gaussian(x: Array) -> Array:
    """Distribution function of the standard normal law."""
    return np.asarray(special.ndtr(x))


def distance(z: Array, function: Callable[[Array], Array]) -> float:
    """Kolmogorov distance of the sample's distribution function, z increasing, from a continuous one."""
    share, n = function(z), z.size
    steps = np.arange(n + 1) / n
    return float(max(np.max(steps[1:] - share), np.max(share - steps[:-1])))


def fitted_distance(z: Array, function: Callable[[Array], Array], quartiles: Array) -> tuple[float, float, float]:
    """Smallest Kolmogorov distance over location and scale, and these; starts where the quartiles agree.

    Args:
        z: sample, in any order.
        function: distribution function at location 0 and scale 1.
        quartiles: its three quartiles.
    """
    z = np.sort(np.asarray(z, dtype=np.float64))
    q = np.quantile(z, [0.25, 0.5, 0.75])
    scale = (q[2] - q[0]) / (quartiles[2] - quartiles[0])
    start = (z - q[1]) / scale + quartiles[1]

    def objective(p: np.ndarray) -> float:
        return distance((start - p[0]) * np.exp(p[1]), function)

    found = optimize.minimize(
        objective, np.zeros(2), method="Nelder-Mead",
        options={"xatol": 1e-3, "fatol": 1e-5, "maxfev": 100, "initial_simplex": [[0, 0], [0.3, 0], [0, 0.3]]},
    )  # fmt: skip
    width = scale * float(np.exp(-found.x[1]))
    return float(found.fun), float(q[1] + scale * (found.x[0] - quartiles[1])), width


def fits(z: Array, index: float) -> tuple[float, float]:
    """Kolmogorov distances of the best stable law of this index and of the best Gaussian."""
    places, values = table(index)
    known = np.interp([0.25, 0.5, 0.75], values, places)
    stable = fitted_distance(z, law(index), known)[0]
    normal = fitted_distance(z, gaussian, stats.norm.ppf([0.25, 0.5, 0.75]))[0]
    return stable, normal
