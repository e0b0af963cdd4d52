r"""Skewness and excess kurtosis with intervals: how far a law is from Gaussian.

With central moments $m_j=\frac1n\sum_i(x_i-\bar x)^j$: skewness $g=m_3/m_2^{3/2}$, excess kurtosis $k=m_4/m_2^2-3$; both
vanish for a Gaussian. The small-sample corrected forms are used (exactly unbiased under a Gaussian: Joanes and Gill
1998, The Statistician 47:183).

Values that share a seed, a chain or a network are not independent: give them as rows, (clusters, values), and clusters
are resampled, not values.

Fourth moments are slow: nominal 95 % intervals of the kurtosis of Gaussian values cover in 0.89, 0.90 and 0.93 of
1,500 data sets of 100, 300 and 1,000 values, by any of the three methods.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from reprise.estimate import Estimate
from reprise.statistics._samples import KEPT, StatisticsError, as_samples, check_level, kept
from reprise.statistics.means import t_quantile
from reprise.statistics.resampling import bca_tails, percentile_tail

_CELLS = 1 << 23

Moments = Float[np.ndarray, "... 5"]


def kurtosis(
    samples: ArrayLike,
    *,
    level: float = 0.95,
    n_boot: int = 2000,
    seed: int = 0,
    method: str = "bca",
) -> Estimate:
    """Excess kurtosis of pooled values.

    Args:
        samples: shape (n,) independent values, n >= 4, or (clusters, values) with independent rows.
        level: confidence level.
        n_boot: number of resamples.
        seed: seed of the resampling.
        method: "bca", "percentile" (expanded) or "t" (linearised; at once, also for millions of values).

    >>> x = np.random.default_rng(0).normal(size=400)
    >>> e = kurtosis(x)
    >>> e.low < 0 < e.high
    True
    """
    return _shape(samples, _kurtosis, "excess kurtosis", level, n_boot, seed, method)


def skewness(
    samples: ArrayLike,
    *,
    level: float = 0.95,
    n_boot: int = 2000,
    seed: int = 0,
    method: str = "bca",
) -> Estimate:
    """Skewness of pooled values; arguments as in `kurtosis`.

    >>> x = np.random.default_rng(0).exponential(size=400)  # skewness 2
    >>> skewness(x).low > 1
    True
    """
    return _shape(samples, _skewness, "skewness", level, n_boot, seed, method)


def _shape(
    samples: ArrayLike,
    statistic: Callable[[Moments], np.ndarray],
    name: str,
    level: float,
    n_boot: int,
    seed: int,
    method: str,
) -> Estimate:
    check_level(level)
    x = as_samples(samples, dims=(1, 2))
    if x.size < 4:
        raise StatisticsError(f"samples: at least 4 values are needed for a {name}, there are {x.size}")
    if not np.ptp(x) > 0.0:
        raise StatisticsError(f"samples: all values are equal, a {name} is not defined")
    # Sums of powers of standardised values, one row a cluster: every resample is a sum of rows.
    z = ((x - x.mean()) / x.std()).reshape(x.shape[0], -1)
    sums = np.stack([np.sum(z**j, axis=1) for j in range(5)], axis=-1)
    total = sums.sum(axis=0)
    clusters = sums.shape[0]
    value = float(statistic(total))
    moves = _jackknife(sums, total, statistic, value)
    if method == "t":
        error = float(np.sqrt(np.sum((moves - moves.mean()) ** 2) / (clusters * (clusters - 1))))
        half = t_quantile(level, clusters - 1) * error
        low, high = value - half, value + half
    elif method in ("bca", "percentile"):
        boot = _resampled(sums, statistic, n_boot, seed)
        tails: tuple[float, float]
        if method == "bca":
            spread = float(np.sum(moves**2))
            skew = float(np.sum(moves**3)) / (6.0 * spread**1.5) if spread > 0 else 0.0
            tails = bca_tails(value, boot, skew, level)
        else:
            tail = percentile_tail(clusters, level)
            tails = (tail, 1.0 - tail)
        low, high = (float(v) for v in np.quantile(boot, tails))
    else:
        raise StatisticsError(f"method: 'bca', 'percentile' or 't' is expected, not {method!r}")
    unit = "values" if x.ndim == 1 else "clusters"
    return Estimate(
        value=value,
        low=min(low, value),
        high=max(high, value),
        n=clusters,
        level=level,
        method=f"{name}, {'linearised t' if method == 't' else f'bootstrap ({method}) of {unit}'}",
        samples=kept(value + moves) if clusters <= KEPT else (),
    )


def _central(total: Moments) -> tuple[np.ndarray, ...]:
    n = total[..., 0]
    a, b, c, d = (total[..., j] / n for j in range(1, 5))
    m2 = b - a**2
    m3 = c - 3 * a * b + 2 * a**3
    m4 = d - 4 * a * c + 6 * a**2 * b - 3 * a**4
    return n, m2, m3, m4


def _skewness(total: Moments) -> np.ndarray:
    n, m2, m3, _ = _central(total)
    return np.asarray(np.sqrt(n * (n - 1)) / (n - 2) * m3 / m2**1.5)


def _kurtosis(total: Moments) -> np.ndarray:
    n, m2, _, m4 = _central(total)
    return np.asarray((n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (m4 / m2**2 - 3.0) + 6.0))


def _jackknife(
    sums: np.ndarray, total: np.ndarray, statistic: Callable[[Moments], np.ndarray], value: float
) -> np.ndarray:
    """How much each cluster moves the statistic: (clusters - 1) (value - value without it)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        left = statistic(total - sums)
    left = np.where(np.isfinite(left), left, value)
    return np.asarray((sums.shape[0] - 1) * (value - left))


def _resampled(sums: np.ndarray, statistic: Callable[[Moments], np.ndarray], n_boot: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    clusters = sums.shape[0]
    step = max(1, _CELLS // clusters)
    parts = []
    for start in range(0, n_boot, step):
        rows = rng.integers(0, clusters, size=(min(step, n_boot - start), clusters))
        offsets = clusters * np.arange(rows.shape[0])[:, None]
        counts = np.bincount((rows + offsets).ravel(), minlength=rows.size).reshape(rows.shape)
        parts.append(statistic(counts @ sums))
    boot = np.concatenate(parts)
    good = np.isfinite(boot)
    if not good.any():
        raise StatisticsError("samples: too few different values to resample")
    return np.asarray(boot[good])
