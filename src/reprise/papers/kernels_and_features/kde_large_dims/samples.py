r"""Simulated data sets: kernel sums at many bandwidths from distances that are drawn, not computed.

The distance of x to a standard Gaussian point needs no vectors: along x the point has one normal coordinate g, across it
a chi-square of the other d - 1, so $|x-y|^2=(g-|x|)^2+\chi^2_{d-1}$. Draws are NumPy's in single precision, block by block
on several threads, each block with a generator of its own: gamma variables come some thirty times faster from there than
from a vectorised rejection loop, and nothing is compiled. The distances of one data set serve all bandwidths.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from reprise import progress
from reprise.papers.kernels_and_features.kde_large_dims import regimes

BLOCK = 1_000_000
"""Distances drawn at once."""
NEAREST = 128
"""Nearest points whose distances are kept."""


class Sums(NamedTuple):
    """Statistics of R data sets at fixed x, for each of H bandwidths.

    Attributes:
        d: dimension.
        n: points in a data set.
        mu: squares of the bandwidths over that of condensation, (H,).
        size: squared lengths of x, (R,).
        log_z: logarithm of the kernel sum, (R, H).
        log_square: logarithm of the sum of the squared terms, (R, H).
        near: smallest squared distances, increasing, (R, K).
        inside: points in the ball in which those lie that dominate the mean sum, (R, H).
    """

    d: int
    n: int
    mu: Float[np.ndarray, " h"]
    size: Float[np.ndarray, " r"]
    log_z: Float[np.ndarray, "r h"]
    log_square: Float[np.ndarray, "r h"]
    near: Float[np.ndarray, "r k"]
    inside: Float[np.ndarray, "r h"]

    @property
    def alpha(self) -> float:
        """The ratio log n / d, with the n that was rounded."""
        return float(np.log(self.n) / self.d)

    @property
    def h(self) -> Float[np.ndarray, " h"]:
        """The bandwidths."""
        return np.asarray(np.sqrt(self.mu) * regimes.thresholds(self.alpha).g)

    def at(self, mu: float) -> int:
        """Number of the bandwidth nearest to a square over that of condensation."""
        return int(np.argmin(np.abs(self.mu - mu)))

    @property
    def participation(self) -> Float[np.ndarray, "r h"]:
        r"""$Y_2=\sum_iw_i^2$."""
        return np.asarray(np.exp(self.log_square - 2 * self.log_z))

    @property
    def largest(self) -> Float[np.ndarray, "r h"]:
        """Largest weight."""
        return np.asarray(np.exp(-0.5 * self.near[:, :1] / self.h**2 - self.log_z))

    def carriers(self, mu: float) -> Float[np.ndarray, " r"]:
        """How many of the nearest points carry 90 % of the sum; infinite where more than were kept. At most 2000 data sets."""
        j = self.at(mu)
        held = np.cumsum(np.exp(-0.5 * self.near[:2000] / self.h[j] ** 2 - self.log_z[:2000, j, None]), axis=1)
        return np.where(held[:, -1] < 0.9, np.inf, 1.0 + (held < 0.9).sum(axis=1))


def distances(
    rng: np.random.Generator, sets: int, n: int, d: int, size: Float[np.ndarray, " sets"]
) -> Float[np.ndarray, "sets n"]:
    r"""Squared distances of n standard Gaussian points to an x of squared length `size`, single precision, (sets, n)."""
    along = rng.standard_normal((sets, n), dtype=np.float32)
    along -= np.sqrt(size, dtype=np.float64).astype(np.float32)[:, None]
    along *= along
    if d > 1:
        across = rng.standard_gamma(0.5 * (d - 1), (sets, n), dtype=np.float32)
        across *= 2.0
        along += across
    return along


def points(d: int, alpha: float) -> int:
    r"""$n=e^{\alpha d}$, rounded."""
    return max(1, round(float(np.exp(alpha * d))))


def simulate(
    d: int, n: int, sets: int, mu: Sequence[float], *, fixed: bool = True, seed: int, h: Sequence[float] | None = None
) -> Sums:
    """Kernel sums of independent data sets.

    Args:
        d: dimension.
        n: points in each data set.
        sets: number R of data sets.
        mu: squares of the bandwidths, in units of that of condensation at log n / d.
        fixed: the same |x|² = d for all sets; else an x of its own for each.
        seed: of the draws.
        h: bandwidths themselves instead of `mu`.
    """
    alpha = float(np.log(n) / d)
    squares = np.asarray(mu if h is None else np.square(h) / regimes.thresholds(alpha).g ** 2, dtype=np.float64)
    beta = regimes.condensation(alpha) / squares
    ball = -2.0 * d * regimes.cumulant_slope(beta)
    rows, kept = max(1, BLOCK // n), min(NEAREST, n)
    starts = range(0, sets, rows)

    def block(start: int) -> tuple[np.ndarray, ...]:
        count = min(rows, sets - start)
        rng = np.random.default_rng([seed, d, n, start])
        size = np.full(count, float(d)) if fixed else rng.chisquare(d, count)
        e = distances(rng, count, n, d, size)
        near = np.sort(np.partition(e, kept - 1, axis=1)[:, :kept] if kept < n else e, axis=1)
        inside = np.stack([np.count_nonzero(e < b, axis=1) for b in ball], axis=1)
        half = (near[:, :1] - e) * np.float32(0.5)
        log_z, log_square = np.empty((count, beta.size)), np.empty((count, beta.size))
        for j, b in enumerate(beta):
            terms = np.exp(half * np.float32(b))
            log_z[:, j] = np.log(terms.sum(axis=1, dtype=np.float64)) - 0.5 * b * near[:, 0]
            log_square[:, j] = np.log(np.einsum("ij,ij->i", terms, terms)) - b * near[:, 0]
        return size, log_z, log_square, near.astype(np.float64), inside

    parts = []
    with progress.task(f"data sets, d = {d}, n = {n}", sets) as advance, ThreadPoolExecutor(os.cpu_count()) as pool:
        for part in pool.map(block, starts):
            parts.append(part)
            advance(len(part[0]))
    return Sums(d, n, squares, *(np.concatenate(column) for column in zip(*parts, strict=True)))


def vectors(d: int, n: int, sets: int, mu: Sequence[float], *, seed: int) -> Sums:
    """As `simulate` at |x|² = d, from vectors in d dimensions and their distances: what everything else here abbreviates."""
    alpha = float(np.log(n) / d)
    beta = regimes.condensation(alpha) / np.asarray(mu, dtype=np.float64)
    ball = -2.0 * d * regimes.cumulant_slope(beta)
    rows = []
    for k in range(sets):
        rng = np.random.default_rng([seed, d, n, k, 1])
        x, y = rng.standard_normal(d), rng.standard_normal((n, d))
        e = np.sort(np.sum((x * np.sqrt(d / (x @ x)) - y) ** 2, axis=1))
        weight = np.exp(0.5 * beta[:, None] * (e[0] - e))
        log_z = np.log(weight.sum(axis=1)) - 0.5 * beta * e[0]
        log_square = np.log((weight**2).sum(axis=1)) - beta * e[0]
        rows.append((float(d), log_z, log_square, e[:NEAREST], np.sum(e < ball[:, None], axis=1)))
    return Sums(d, n, np.asarray(mu, dtype=np.float64), *(np.asarray(column) for column in zip(*rows, strict=True)))
