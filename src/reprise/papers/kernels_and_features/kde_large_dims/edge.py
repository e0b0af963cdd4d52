r"""Data sets of any size by their nearest points: order statistics for the edge, a normal number for the rest.

The i-th nearest of $n=e^{\alpha d}$ points has $nF(E_{(i)})=\Gamma_i$, with $\Gamma_i$ the i-th point of a unit Poisson process
(exact as n grows, and n here is astronomical). So the K nearest are drawn without drawing the others. The others are
independent beyond $E_{(K)}$, their terms are at most the K-th, and their sum is normal up to a skewness of order $K^{-1/2}$
with the mean and variance of the terms beyond, which are one-dimensional integrals. Memory and time do not depend on n.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from reprise.papers.kernels_and_features.kde_large_dims import regimes
from reprise.papers.kernels_and_features.kde_large_dims.spectrum import spectrum

GROUP = 250
"""Data sets drawn at once."""


class EdgeSums(NamedTuple):
    """R data sets at one d, alpha and bandwidth.

    Attributes:
        d: dimension.
        alpha: log n / d.
        mu: square of the bandwidth over that of condensation.
        deviation: kernel sums, from mu = 1 on less their mean, in units of the term of the nearest typical point, (R,).
            Formed from the deviations of its parts: the sum itself may be its mean in all sixteen digits.
        log_unit: logarithm of that unit.
        largest: largest weights, (R,).
        participation: sum of squared weights, (R,).
    """

    d: int
    alpha: float
    mu: float
    deviation: Float[np.ndarray, " r"]
    log_unit: float
    largest: Float[np.ndarray, " r"]
    participation: Float[np.ndarray, " r"]


def edge_sums(d: int, alpha: float, mu: float, sets: int, nearest: int, *, seed: int) -> EdgeSums:
    """Kernel sums of `sets` data sets with exp(alpha d) points, from their `nearest` points and a normal remainder."""
    beta = regimes.condensation(alpha) / mu
    table = spectrum(d, alpha * d, beta, resolution=0.05)
    unit = float(np.interp(0.0, table.log_below, table.e))
    log_x = -0.5 * beta * (table.e - unit)
    cells = [table.expected * np.exp(k * log_x) for k in (1, 2)]
    first, second = (np.log(_beyond(c)) for c in cells)
    nearer = np.log(_beyond(cells[0][::-1])[::-1])
    rng = np.random.default_rng([seed, d, round(1e6 * mu), nearest])
    parts = []
    for start in range(0, sets, GROUP):
        count = min(GROUP, sets - start)
        place = np.log(np.cumsum(rng.standard_exponential((count, nearest)), axis=1))
        e = np.interp(place, table.log_below, table.e)
        terms = np.exp(-0.5 * beta * (e - unit))
        mean, variance, missing = (np.exp(np.interp(e[:, -1], table.e, v)) for v in (first, second, nearer))
        noise = np.sqrt(variance) * rng.standard_normal(count)
        z = terms.sum(axis=1) + mean + noise
        square = (terms**2).sum(axis=1) + variance
        deviation = terms.sum(axis=1) - missing + noise if mu >= 1.0 else z
        parts.append((deviation, terms[:, 0] / z, square / z**2))
    deviation, largest, participation = (np.concatenate(column) for column in zip(*parts, strict=True))
    return EdgeSums(d, alpha, mu, deviation, -0.5 * beta * unit, largest, participation)


def _beyond(cells: np.ndarray) -> np.ndarray:
    """Sum of all cells from the middle of each upwards, kept above zero for its logarithm."""
    return np.asarray(np.maximum(np.cumsum(cells[::-1])[::-1] - 0.5 * cells, 1e-300))


@lru_cache(maxsize=4)
def poisson_dirichlet(mu: float, sets: int, *, nearest: int = 300, seed: int) -> Float[np.ndarray, "sets 2"]:
    r"""Largest weight and sum of squared weights of the Poisson-Dirichlet law of index mu < 1, (sets, 2).

    Weights are proportional to $\Gamma_i^{-1/\mu}$; what lies beyond the last is replaced by its mean.
    """
    rng = np.random.default_rng([seed, round(1e6 * mu), 3])
    rows = []
    for start in range(0, sets, GROUP):
        place = np.cumsum(rng.standard_exponential((min(GROUP, sets - start), nearest)), axis=1)
        terms = place ** (-1.0 / mu)
        z = terms.sum(axis=1) + place[:, -1] ** (1.0 - 1.0 / mu) * mu / (1.0 - mu)
        rows.append(np.stack([terms[:, 0] / z, (terms**2).sum(axis=1) / z**2], axis=1))
    return np.concatenate(rows)
