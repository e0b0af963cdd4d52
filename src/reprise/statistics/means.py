r"""Means, paired differences and prediction intervals.

For $n$ independent samples with mean $\bar x$ and standard deviation $s$ (divisor $n-1$) and the Student quantile
$t = t_{n-1,\,(1+\text{level})/2}$:

- the mean of the population lies in $\bar x \pm t\,s/\sqrt n$ (confidence interval);
- the mean of $m$ further samples lies in $\bar x \pm t\,s\sqrt{1/m + 1/n}$ (prediction interval).

Both are exact for Gaussian samples.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from reprise.estimate import Estimate
from reprise.statistics._samples import StatisticsError, as_samples, check_level, kept
from reprise.statistics.resampling import bootstrap


def t_quantile(level: float, dof: int) -> float:
    """Two-sided Student quantile: |t| stays below it with probability `level`.

    >>> round(t_quantile(0.95, 9), 6)
    2.262157
    """
    return float(stats.t.ppf(0.5 + 0.5 * check_level(level), dof))


def mean(
    samples: ArrayLike,
    level: float = 0.95,
    method: str = "t",
    *,
    seed: int = 0,
    n_boot: int = 2000,
) -> Estimate:
    """Mean of independent samples with a confidence interval.

    Args:
        samples: shape (n,), one value a seed, n >= 2.
        level: confidence level.
        method: "t" (exact for Gaussian samples) or "bootstrap" (expanded percentile; for skewed samples).
        seed: seed of the bootstrap.
        n_boot: number of resamples of the bootstrap.

    >>> e = mean([1.0, 2.0, 3.0])
    >>> e.value, round(e.low, 4), round(e.high, 4), e.n
    (2.0, -0.4841, 4.4841, 3)
    """
    x = as_samples(samples)
    if method == "bootstrap":
        return bootstrap(x, np.mean, level=level, seed=seed, n_boot=n_boot)
    if method != "t":
        raise StatisticsError(f"method: 't' or 'bootstrap' is expected, not {method!r}")
    n = x.shape[0]
    half = t_quantile(level, n - 1) * float(x.std(ddof=1)) / np.sqrt(n)
    value = float(x.mean())
    return Estimate(
        value=value,
        low=float(value - half),
        high=float(value + half),
        n=n,
        level=level,
        method="mean, t interval",
        samples=kept(x),
    )


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    level: float = 0.95,
    method: str = "t",
    *,
    seed: int = 0,
    n_boot: int = 2000,
) -> Estimate:
    """Mean of a - b over pairs (same seed, same split) with a confidence interval.

    Args:
        a: shape (n,).
        b: shape (n,), entry i paired with entry i of `a`.
        level: confidence level.
        method: "t" or "bootstrap", as in `mean`.
        seed: seed of the bootstrap.
        n_boot: number of resamples of the bootstrap.

    >>> paired_difference([1.0, 2.0, 4.0], [0.0, 1.0, 3.0]).value
    1.0
    """
    x, y = as_samples(a, name="a"), as_samples(b, name="b")
    if x.shape != y.shape:
        raise StatisticsError(f"pairs are expected, the shapes are {x.shape} and {y.shape}")
    found = mean(x - y, level=level, method=method, seed=seed, n_boot=n_boot)
    return Estimate(
        value=found.value,
        low=found.low,
        high=found.high,
        n=found.n,
        level=level,
        method=f"paired difference: {found.method}",
        samples=found.samples,
    )


def prediction_interval(
    samples: ArrayLike,
    level: float = 0.95,
    *,
    future: int = 1,
    absolute: float = 0.0,
    relative: float = 0.0,
) -> Estimate:
    r"""Where the mean of `future` further samples will lie: $\bar x \pm t\,s\sqrt{1/m + 1/n}$.

    Identical samples (an exact value, run on one machine) have no spread; the numeric floor then says by how much
    another machine may differ: the half-width is at least max(absolute, relative * |mean|).

    Args:
        samples: shape (n,), n >= 1; with n = 1 only the floor is left, and one of the floors must be positive.
        level: probability with which the new mean falls inside.
        future: number m of new samples that are averaged.
        absolute: smallest half-width.
        relative: smallest half-width as a share of |mean|.

    >>> e = prediction_interval([1.0, 2.0, 3.0])
    >>> round(e.high - e.value, 4)  # 4.3027 * 1 * sqrt(4/3)
    4.9683
    >>> e = prediction_interval([5.0, 5.0], relative=1e-6)
    >>> round((e.high - 5.0) * 1e6, 6)
    5.0
    """
    x = as_samples(samples, least=1)
    if future < 1:
        raise StatisticsError(f"future: at least one further sample is expected, not {future}")
    if absolute < 0.0 or relative < 0.0:
        raise StatisticsError("absolute and relative: floors are not negative")
    n = x.shape[0]
    value = float(x.mean())
    floor = max(absolute, relative * abs(value))
    if n == 1:
        if floor <= 0.0:
            raise StatisticsError("samples: one sample has no spread, so a positive floor is needed")
        half = floor
    else:
        spread = float(x.std(ddof=1))
        half = max(floor, t_quantile(level, n - 1) * spread * float(np.sqrt(1.0 / future + 1.0 / n)))
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        n=n,
        level=check_level(level),
        method=f"prediction interval for the mean of {future} further sample(s), t",
        samples=kept(x),
    )
