r"""Does a sample come from a given law? Kolmogorov-Smirnov distances and tests, z-scores.

A p-value is no measure of agreement: a small sample passes every test. So beside the tests there are *distances with
intervals*, for which more data give a sharper verdict: the Kolmogorov distance $D=\sup_t|F(t)-F_0(t)|$ between the true
and the predicted law lies in $D_n \pm c$, where $c$ is the quantile of $\sup_t|F_n(t)-F(t)|$ for $n$ independent samples
(the Kolmogorov band; distribution-free and exact for continuous laws, conservative for others).
"""

import functools
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import stats

from reprise.estimate import Estimate
from reprise.statistics._samples import StatisticsError, as_samples, check_level

Cdf = Callable[[Float[np.ndarray, " n"]], Float[np.ndarray, " n"]]


def ks_test(samples: ArrayLike, cdf: Cdf | ArrayLike | None = None) -> Estimate:
    """p-value of the Kolmogorov-Smirnov test; the interval is the value itself.

    Args:
        samples: shape (n,), independent.
        cdf: a distribution function (for one sample against a law; standard normal if None), or a second sample of
            shape (m,).

    >>> x = np.linspace(-2, 2, 50)
    >>> ks_test(x).value > 0.05, ks_test(x + 1).value < 1e-4, ks_test(x, x).value
    (True, True, 1.0)
    """
    x = as_samples(samples)
    if cdf is not None and not callable(cdf):
        y = as_samples(cdf, name="second sample")
        found = stats.ks_2samp(x, y)
        return Estimate.exact(float(found.pvalue), n=min(x.size, y.size), method="Kolmogorov-Smirnov, two samples, p")
    found = stats.ks_1samp(x, stats.norm.cdf if cdf is None else cdf)
    return Estimate.exact(float(found.pvalue), n=x.size, method="Kolmogorov-Smirnov p-value")


def ks_distance(samples: ArrayLike, cdf: Cdf | ArrayLike | None = None, level: float = 0.95) -> Estimate:
    r"""Kolmogorov distance between the law of the samples and `cdf`, with a distribution-free interval.

    One sample: $D_n\pm c_n$ with $c_n$ the `level` quantile of the Kolmogorov statistic. Two samples: $D\pm(c_n+c_m)$,
    each at level $(1+\text{level})/2$ (conservative).

    Args:
        samples: shape (n,), independent.
        cdf: a distribution function (standard normal if None) or a second sample of shape (m,).
        level: confidence level.

    >>> e = ks_distance(np.linspace(-2, 2, 400), lambda t: np.clip((t + 2) / 4, 0, 1))
    >>> e.low, e.high < 0.08
    (0.0, True)
    """
    x = as_samples(samples)
    check_level(level)
    if cdf is not None and not callable(cdf):
        y = as_samples(cdf, name="second sample")
        distance = float(stats.ks_2samp(x, y, method="asymp").statistic)
        half = _band(x.size, 0.5 + 0.5 * level) + _band(y.size, 0.5 + 0.5 * level)
        n, name = min(x.size, y.size), "Kolmogorov distance of two samples, band"
    else:
        distance = float(stats.ks_1samp(x, stats.norm.cdf if cdf is None else cdf, method="asymp").statistic)
        half = _band(x.size, level)
        n, name = x.size, "Kolmogorov distance, band"
    return Estimate(
        value=distance,
        low=max(0.0, distance - half),
        high=min(1.0, distance + half),
        n=n,
        level=level,
        method=name,
    )


def z_scores(samples: ArrayLike, expected: ArrayLike, *, bias: ArrayLike = 0.0) -> Float[np.ndarray, "..."]:
    r"""$z=(\bar x-\mu)/(s/\sqrt n)$ for each entry; what lies within `bias` of the expected value scores 0.

    With an allowed bias $b$ (say $O(1/\text{width})$) the distance $|\bar x-\mu|$ is reduced by $b$, not below zero.

    Args:
        samples: shape (n, ...), n independent samples of each entry.
        expected: shape (...), the predicted means.
        bias: shape () or (...), systematic difference that is allowed.

    Returns:
        Shape (...). Where the samples do not vary the score is 0 if they agree and infinite if not.

    >>> z_scores([[1.0], [2.0], [3.0]], [0.0]).round(4)
    array([3.4641])
    """
    x = as_samples(samples, dims=range(1, 9))
    target = np.broadcast_to(np.asarray(expected, dtype=np.float64), x.shape[1:])
    allowed = np.broadcast_to(np.asarray(bias, dtype=np.float64), x.shape[1:])
    if not np.isfinite(target).all() or not np.all(allowed >= 0.0):
        raise StatisticsError("expected: finite values are needed, and a bias that is not negative")
    gap = x.mean(axis=0) - target
    gap = np.sign(gap) * np.maximum(np.abs(gap) - allowed, 0.0)
    error = x.std(axis=0, ddof=1) / np.sqrt(x.shape[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        z = gap / error
    return np.asarray(np.where(gap == 0.0, 0.0, z))


def largest_z(samples: ArrayLike, expected: ArrayLike, *, bias: ArrayLike = 0.0) -> Estimate:
    """Largest |z| over all entries, to be compared with `z_threshold`; arguments as in `z_scores`.

    >>> round(largest_z([[1.0, 0.0], [2.0, 1.0], [3.0, -1.0]], [0.0, 0.0]).value, 4)
    3.4641
    """
    z = np.abs(z_scores(samples, expected, bias=bias))
    return Estimate.exact(float(np.max(z)), n=np.shape(samples)[0], method=f"largest of {z.size} z-scores")


def z_threshold(count: int, n: int, alarm: float = 0.001) -> float:
    """What the largest of `count` |z|-scores of n samples exceeds with probability at most `alarm` (Bonferroni, t).

    >>> round(z_threshold(1, 10**9, 0.05), 3), round(z_threshold(10, 20, 0.001), 2)
    (1.96, 4.9)
    """
    if count < 1 or n < 2 or not 0.0 < alarm < 1.0:
        raise StatisticsError("count >= 1, n >= 2 and 0 < alarm < 1 are expected")
    return float(stats.t.isf(0.5 * alarm / count, n - 1))


@functools.lru_cache(maxsize=256)
def _band(n: int, level: float) -> float:
    return float(stats.kstwo.ppf(level, n))
