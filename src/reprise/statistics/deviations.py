r"""How far is a mean matrix or curve from its prediction, once sampling noise is taken out?

The norm of an average of noisy matrices, $\|\bar X-M\|$, is positive even if the mean is exactly $M$. With deviations
$D_i=X_i-M$, the average over pairs of *different* seeds,
$$U=\frac1{n(n-1)}\sum_{i\ne j}\langle D_i,D_j\rangle=\frac{n^2\|\bar D\|^2-\sum_i\|D_i\|^2}{n(n-1)},$$
is an unbiased estimate of the squared distance $\|E[X]-M\|^2$.
"""

import numpy as np
from numpy.typing import ArrayLike

from reprise.estimate import Estimate
from reprise.statistics._samples import StatisticsError, as_samples, check_level
from reprise.statistics.means import t_quantile


def relative_deviation(samples: ArrayLike, expected: ArrayLike, level: float = 0.95) -> Estimate:
    r"""Relative distance $\|E[X]-M\|/\|M\|$ of a mean from its prediction, with sampling noise removed.

    The interval is the jackknife-t interval of $U$ (see the module's text), then the square root; negative values of
    $U$, which only noise can produce, become 0. So the lower end is 0 where the mean agrees with its prediction.

    Args:
        samples: shape (n, ...), n >= 3 independent samples of the matrix or curve.
        expected: shape (...), the prediction M.
        level: confidence level.

    >>> rng = np.random.default_rng(0)
    >>> x = 1.0 + rng.normal(size=(50, 4, 4))
    >>> relative_deviation(x, np.ones((4, 4))).low, relative_deviation(x, 2 * np.ones((4, 4))).low > 0.4
    (0.0, True)
    """
    check_level(level)
    x = as_samples(samples, least=3, dims=range(1, 9))
    target = np.asarray(expected, dtype=np.float64)
    if target.shape != x.shape[1:]:
        raise StatisticsError(f"expected: shape {x.shape[1:]} is needed, not {target.shape}")
    scale = float(np.linalg.norm(target))
    if not np.isfinite(scale) or scale == 0.0:
        raise StatisticsError("expected: finite values are needed, not all of them zero")
    n = x.shape[0]
    gaps = (x - target).reshape(n, -1) / scale
    own = np.sum(gaps**2, axis=1)
    total = gaps.sum(axis=0)
    value = (float(total @ total) - float(own.sum())) / (n * (n - 1))
    rest = total - gaps
    left = (np.sum(rest**2, axis=1) - (own.sum() - own)) / ((n - 1) * (n - 2))
    pseudo = n * value - (n - 1) * left
    half = t_quantile(level, n - 1) * float(pseudo.std(ddof=1)) / float(np.sqrt(n))
    low, middle, high = (float(np.sqrt(max(0.0, v))) for v in (value - half, value, value + half))
    return Estimate(
        value=middle,
        low=low,
        high=high,
        n=n,
        level=level,
        method="relative deviation of the mean, noise removed, jackknife t",
    )
